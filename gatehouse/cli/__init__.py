"""Operator commands (`flask ...`); they call the same services as the routes."""
