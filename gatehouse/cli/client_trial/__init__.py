"""`gatehouse clients try`: a relying party that shows every message of a sign-in."""
