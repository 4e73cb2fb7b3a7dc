"""Users: accounts, identifiers, password and code checks, and notifications."""
