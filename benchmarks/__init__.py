"""Benchmarks: each prints a ratio against a named yardstick, measured in one run."""
