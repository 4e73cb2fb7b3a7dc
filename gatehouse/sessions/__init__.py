"""Sessions: opened in one place, refreshed, listed, ended; imports accounts and below."""
