"""CAPTCHA: when one is required, and the providers that issue and verify it."""
