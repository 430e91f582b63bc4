"""Who comes in, and by which door: tokens, sign-in, launches, record systems that ask for cards."""
