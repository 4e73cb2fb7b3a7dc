"""Password hasher plugins, one file each; a plugin imports only its contract and its library."""
