"""Lockout: limits on failed passwords, codes and factors; imports devices and below."""
