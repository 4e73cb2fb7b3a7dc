"""Identities of users at identity providers."""
