"""Google reCAPTCHA, version 3; its answers have an action and a score."""

from gatehouse.captcha.siteverify import SiteverifyProvider

URL = "https://www.google.com/recaptcha/api/siteverify"

plugin = SiteverifyProvider("recaptcha", URL, returns_action=True)
