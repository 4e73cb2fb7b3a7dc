"""Roles and permissions: what people may do; imports audit and below."""
