"""Tells gateways whether a request may pass and whose it is; imports sessions and below."""
