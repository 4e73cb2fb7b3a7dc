"""Google reCAPTCHA, version 3: its answers have an action and a score."""

from gatehouse.defence.siteverify import Siteverify

URL = "https://www.google.com/recaptcha/api/siteverify"

piece = Siteverify("recaptcha", URL, tells_action=True)
