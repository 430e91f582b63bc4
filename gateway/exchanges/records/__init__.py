"""Records in: whose they are, what is held of a person, what changes."""
