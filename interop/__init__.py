"""Sign in with clients that others wrote, unchanged (`make interop`)."""
