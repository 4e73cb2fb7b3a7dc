"""Roles and permissions of users; imports the database and below."""
