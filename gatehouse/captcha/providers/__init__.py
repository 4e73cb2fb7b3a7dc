"""CAPTCHA provider plugins; each file defines `plugin`, a `captcha.provider.CaptchaProvider`."""
