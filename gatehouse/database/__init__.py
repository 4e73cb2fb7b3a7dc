"""Database engine and session, transactions, locks, background jobs, encryption rotation."""
