"""Known and trusted devices."""
