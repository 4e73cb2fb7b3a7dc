"""Generators of the pages of `docs/` that are built from the code."""
