"""Service accounts and their API keys, for programs that administer or call through a gateway."""
