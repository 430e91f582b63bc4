"""What staff do about it: relationships, markers, disputes, call-backs, case lists."""
