"""Is this person known, and what is their status? With what may be asked, by whom, how often."""
