"""Operator commands (`gatehouse ...`); they call the same services as the routes."""
