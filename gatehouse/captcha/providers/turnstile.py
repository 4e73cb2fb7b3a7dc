"""Cloudflare Turnstile; its widget is given the action, and its answers repeat it."""

from gatehouse.captcha.siteverify import Siteverify

URL = "https://challenges.cloudflare.com/turnstile/v0/siteverify"

piece = Siteverify("turnstile", URL, tells_action=True)
