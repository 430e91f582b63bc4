"""Subscriptions, and notices from the decision to their receiver and back."""
