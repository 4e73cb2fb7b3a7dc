"""E-mail and SMS: messages are outbox rows of the caller's transaction; a worker delivers them."""
