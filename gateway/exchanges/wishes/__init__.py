"""What people want, and what an owner keeps back."""
