"""The door of the room: a CAPTCHA to solve."""

from typing import Any

from marshmallow import Schema, fields, validate

from gatehouse.defence import robots
from gatehouse.foundation.api import Blueprint
from gatehouse.foundation.fields import Form, Text
from gatehouse.foundation.limits import limited

routes = Blueprint("defence", __name__, url_prefix="/auth", description="Telling people and robots")


class CaptchaQuery(Form):
    """What the answer will be sent along with."""

    action = Text(16, required=True, validate=validate.OneOf(robots.ACTIONS))


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
    return robots.challenge(query["action"])
