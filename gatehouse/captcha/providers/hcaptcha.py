"""hCaptcha; its answers are bound to a host, and to no action."""

from gatehouse.captcha.siteverify import Siteverify

piece = Siteverify("hcaptcha", "https://api.hcaptcha.com/siteverify", tells_action=False)
