"""Shapes that more than one room speaks. They validate, they write, and they are the document."""

from typing import Any

from marshmallow import Schema, fields, post_dump, validate

from gatehouse.core import clock
from gatehouse.web.fields import Form, Text, WholeNumber


class Moment(fields.Field[Any]):
    """A time, written as RFC 3339 in UTC with `Z`."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else clock.rfc3339(value)


class Problem(Schema):
    """An error (RFC 9457)."""

    type = fields.String(required=True, metadata={"format": "uri"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True, metadata={"description": "stable, in snake_case"})
    request_id = fields.String(required=True)
    errors = fields.Dict(metadata={"description": "{field: [{code, message}]}"})
    retry_after = fields.Integer(metadata={"description": "seconds"})
    next = fields.String(metadata={"description": "what the client can do now"})


class Status(Schema):
    """What has become of a request."""

    status = fields.String(required=True)


class Verified(Status):
    """An address is proved; an account that begins with a passkey brings recovery codes."""

    recovery_codes = fields.List(fields.String(), metadata={"description": "shown once"})


class PasskeyOptions(Schema):
    """What to hand to `navigator.credentials.create()`, and what to send back with its answer."""

    registration_token = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    public_key = fields.Dict(
        required=True, metadata={"description": "PublicKeyCredentialCreationOptionsJSON"}
    )


class User(Schema):
    """What a person is told about their account."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    email = fields.String(required=True)
    email_verified = fields.Boolean(required=True)
    username = fields.String(required=True, allow_none=True)
    phone = fields.String(required=True, allow_none=True)
    phone_verified = fields.Boolean(required=True)
    name = fields.String(required=True, allow_none=True)
    locale = fields.String(required=True, allow_none=True)
    roles = fields.List(fields.String(), required=True)
    created_at = Moment(required=True, metadata={"type": "string", "format": "date-time"})


class TokenAnswer(Schema):
    """Somebody is signed in; where the tokens are in cookies, none stands here."""

    status = fields.Constant("authenticated", required=True, metadata={"type": "string"})
    access_token = fields.String()
    token_type = fields.String(metadata={"enum": ["Bearer"]})
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    refresh_token = fields.String()
    device_token = fields.String(metadata={"description": "of a login; see `X-Device-Token`"})
    csrf_token = fields.String(metadata={"description": "with cookies only; see `X-CSRF-Token`"})
    user = fields.Nested(User, required=True)

    @post_dump
    def leave_out_the_missing(self, data: dict[str, Any], **_options: Any) -> dict[str, Any]:
        """A refresh brings no device token, and cookies leave no token here."""
        return {name: value for name, value in data.items() if value is not None}


class FactorOffer(Schema):
    """A factor that can be proved in the second step of a login."""

    id = fields.String(metadata={"format": "uuid"})
    kind = fields.String(required=True, metadata={"example": "totp"})
    label = fields.String()


class LoginAnswer(TokenAnswer):
    """Somebody is signed in, or is asked for a second factor, or has to set one up first."""

    status = fields.String(  # type: ignore[assignment] # one of three, where there was one
        dump_default="authenticated",
        metadata={"enum": ["authenticated", "mfa_required", "mfa_enrolment_required"]},
    )
    user = fields.Nested(User)
    mfa_token = fields.String(metadata={"description": "of the next step, and of nothing else"})
    factors = fields.List(fields.Nested(FactorOffer), metadata={"description": "to be proved"})
    kinds = fields.List(fields.String(), metadata={"description": "that can be set up"})


class EnrolledAnswer(TokenAnswer):
    """Somebody has set up a factor while signing in, and is signed in."""

    recovery_codes = fields.List(fields.String(), required=True)


class LinkAnswer(Status):
    """A link was asked for; it works together with this token alone."""

    login_token = fields.String(required=True)


class LinkCode(Schema):
    """The code that belongs to a link."""

    code = fields.String(required=True)


class CsrfAnswer(Schema):
    """What a write with cookies has to carry in `X-CSRF-Token`; stable for the session."""

    csrf_token = fields.String(required=True)


class PageQuery(Form):
    """Which part of a list."""

    limit = WholeNumber(load_default=50, validate=validate.Range(1, 100))
    cursor = Text(200, metadata={"description": "`next_cursor` of the part before"})


def page_of(items: type[Schema]) -> type[Schema]:
    """Return the schema of a part of a list."""
    shape: dict[str, fields.Field[Any]] = {
        "items": fields.List(fields.Nested(items), required=True),
        "next_cursor": fields.String(required=True, allow_none=True),
    }
    return Schema.from_dict(shape, name=f"{items.__name__}Page")
