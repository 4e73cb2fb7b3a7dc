"""Delivery channel plugins; each file provides one `plugin`."""
