"""Sessions: open, refresh, list, end, and their assurance level; imports users and below."""
