"""Service accounts and their API keys: programs that administer, or pass a gateway."""
