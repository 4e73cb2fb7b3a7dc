"""The account pages: what users do with their own account, in forms that need no scripts."""
