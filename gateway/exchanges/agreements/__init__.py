"""Agreements and maps as those who share have signed them."""
