"""People and their addresses; imports passwords, access, tokens, delivery and below."""
