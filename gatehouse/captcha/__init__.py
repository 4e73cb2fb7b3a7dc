"""CAPTCHA: when one is required, and its providers; imports lockout and below."""
