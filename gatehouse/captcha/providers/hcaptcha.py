"""hCaptcha; its answers are bound to a host but not to an action."""

from gatehouse.captcha.siteverify import SiteverifyProvider

plugin = SiteverifyProvider("hcaptcha", "https://api.hcaptcha.com/siteverify", returns_action=False)
