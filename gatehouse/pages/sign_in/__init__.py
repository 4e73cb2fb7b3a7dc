"""The pages of a sign-in, for an application or for one's own account, and of its end."""
