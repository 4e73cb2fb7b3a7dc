"""Shared foundation: clock, cryptography, errors, i18n, logging, metrics, plugin loading."""
