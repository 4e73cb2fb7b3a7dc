"""Cloudflare Turnstile; its answers are bound to a host and an action."""

from gatehouse.captcha.siteverify import SiteverifyProvider

URL = "https://challenges.cloudflare.com/turnstile/v0/siteverify"

plugin = SiteverifyProvider("turnstile", URL, returns_action=True)
