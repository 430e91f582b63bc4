"""The access log: searched, asked, proved, exported, and what is found by going through it."""
