"""The CAPTCHA endpoint: a challenge of the configured provider."""

from dataclasses import dataclass

from marshmallow import Schema, fields, validate

from gatehouse.captcha import service as captcha
from gatehouse.web.fields import Form, String
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import rate_limit

routes = Blueprint("captcha", __name__, url_prefix="/auth", description="CAPTCHA challenges")


@dataclass(frozen=True)
class CaptchaQueryForm:
    """The query `CaptchaQuery`."""

    action: str


class CaptchaQuery(Form):
    """The request that the answer will be sent with."""

    form_type = CaptchaQueryForm

    action = String(16, load_default="register", validate=validate.OneOf(captcha.ACTIONS))


class Captcha(Schema):
    """A challenge for the ALTCHA widget, or the parameters of another provider's widget."""

    parameters = fields.Dict(metadata={"description": "ALTCHA: the proof of work to compute"})
    signature = fields.String(metadata={"description": "ALTCHA: signature of the parameters"})
    provider = fields.String(metadata={"enum": ["hcaptcha", "turnstile", "recaptcha"]})
    site_key = fields.String()
    action = fields.String(metadata={"description": "for widgets that take an action"})


@routes.get("/captcha")
@rate_limit("captcha")
@routes.arguments(CaptchaQuery, location="query")
@routes.response(200, Captcha)
def read_captcha(query: CaptchaQueryForm) -> dict[str, object]:
    """Get a CAPTCHA to solve; its answer is valid for one request of this action."""
    return captcha.create_challenge(query.action)
