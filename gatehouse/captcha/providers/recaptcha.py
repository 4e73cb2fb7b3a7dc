"""Google reCAPTCHA, version 3: its answers have an action and a score."""

from gatehouse.captcha.siteverify import Siteverify

URL = "https://www.google.com/recaptcha/api/siteverify"

piece = Siteverify("recaptcha", URL, tells_action=True)
