"""Audit events, recorded in the transaction of what they report; imports web and below."""
