"""A person and their own record: reports to them, legal holds, erasure."""
