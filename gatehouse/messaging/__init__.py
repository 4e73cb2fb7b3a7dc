"""Messages to people: an outbox row in the caller's transaction, channels that carry it away."""
