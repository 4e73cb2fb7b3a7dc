"""The CAPTCHA endpoint: a challenge of the configured provider."""

from typing import Any

from marshmallow import Schema, fields, validate

from gatehouse.captcha import service as captcha
from gatehouse.web.fields import Form, Text
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import limited

routes = Blueprint("captcha", __name__, url_prefix="/auth", description="CAPTCHA challenges")


class CaptchaQuery(Form):
    """What the answer will be sent along with."""

    action = Text(16, load_default="register", validate=validate.OneOf(captcha.ACTIONS))


class Captcha(Schema):
    """A challenge as the ALTCHA widget reads it, or what the widget of another provider needs."""

    parameters = fields.Dict(metadata={"description": "ALTCHA: the work to do"})
    signature = fields.String(metadata={"description": "ALTCHA: ours, of the parameters"})
    provider = fields.String(metadata={"enum": ["hcaptcha", "turnstile", "recaptcha"]})
    site_key = fields.String()
    action = fields.String(metadata={"description": "to hand to the widget, where it takes one"})


@routes.get("/captcha")
@limited("captcha")
@routes.arguments(CaptchaQuery, location="query")
@routes.response(200, Captcha)
def read_captcha(query: dict[str, Any]) -> dict[str, Any]:
    """Get a CAPTCHA to solve; its answer is good for one request of this action."""
    return captcha.challenge(query["action"])
