"""Measurements of the running service against what it is made of; nothing imports this."""
