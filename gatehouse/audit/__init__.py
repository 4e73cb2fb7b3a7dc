"""What happened, recorded in the transaction that made it happen; imports models and below."""
