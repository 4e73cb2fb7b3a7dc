"""Schemas shared by several packages: they validate, serialize, and describe the OpenAPI."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import Schema, fields, post_dump, validate

from gatehouse.core import clock
from gatehouse.web.fields import Form, QueryInteger, String, Union
from models import PROFILE_LENGTHS


class Timestamp(fields.Field[object]):
    """A time, written as RFC 3339 in UTC with `Z`."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else clock.format_rfc3339(value)


class FieldError(Schema):
    """What is wrong with a field."""

    code = fields.String(required=True, metadata={"description": "stable, in snake_case"})
    message = fields.String(required=True)


class Problem(Schema):
    """An error (RFC 9457)."""

    type = fields.String(required=True, metadata={"format": "uri"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True, metadata={"description": "stable, in snake_case"})
    request_id = fields.String(required=True)
    errors = fields.Dict(
        values=fields.List(fields.Nested(FieldError)), metadata={"description": "by field"}
    )
    retry_after = fields.Integer(metadata={"description": "seconds"})
    next = fields.String(metadata={"description": "what the client can do now"})
    reason = fields.String(metadata={"description": "the code of a hook that denied this"})


class Status(Schema):
    """The outcome of a request."""

    status = fields.String(required=True)


class Readiness(Status):
    """The service can handle requests."""

    degraded = fields.List(fields.String(), metadata={"description": "what works less well"})


class VerificationResponse(Status):
    """The e-mail address is verified; a sign-up with a passkey also returns recovery codes."""

    recovery_codes = fields.List(fields.String(), metadata={"description": "shown once"})


class PasskeyOptions(Schema):
    """Options for `navigator.credentials.create()`, and the token to return with its result."""

    registration_token = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    public_key = fields.Dict(
        required=True, metadata={"description": "PublicKeyCredentialCreationOptionsJSON"}
    )


class UserIdentifiers(Schema):
    """What identifies a user."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    email = fields.String(required=True)
    email_verified = fields.Boolean(required=True)
    username = fields.String(required=True, allow_none=True)
    phone = fields.String(required=True, allow_none=True)
    phone_verified = fields.Boolean(required=True)


class User(
    UserIdentifiers.from_dict(  # type: ignore[misc] # a class made from the model
        {name: fields.String(required=True, allow_none=True) for name in PROFILE_LENGTHS}
    )
):
    """The profile of a user."""

    attributes = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={"description": "those of the operator's that the user may read"},
    )
    roles = fields.List(fields.String(), required=True)
    created_at = Timestamp(required=True, metadata={"type": "string", "format": "date-time"})


def _status(value: str) -> fields.Constant[str]:
    """Return the field that identifies the kind of a response."""
    return fields.Constant(value, required=True, metadata={"type": "string", "enum": [value]})


class SparseResponse(Schema):
    """A response without the members that have no value."""

    @post_dump
    def drop_missing_values(self, data: dict[str, object], **_options: object) -> dict[str, object]:
        """Drop members without a value: no device token after a refresh."""
        return {name: value for name, value in data.items() if value is not None}


class TokenResponse(SparseResponse):
    """The user is signed in. In cookie mode the body contains no tokens."""

    status = _status("authenticated")
    access_token = fields.String()
    token_type = fields.String(metadata={"enum": ["Bearer"]})
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    refresh_token = fields.String()
    device_token = fields.String(metadata={"description": "after a login; see `X-Device-Token`"})
    csrf_token = fields.String(metadata={"description": "in cookie mode only; see `X-CSRF-Token`"})
    user = fields.Nested(User, required=True)


class EligibleFactor(Schema):
    """A factor that can be used as the second step of a login."""

    id = fields.String(metadata={"format": "uuid"})
    kind = fields.String(required=True, metadata={"example": "totp"})
    label = fields.String()


class MfaChallenge(SparseResponse):
    """The first step of a login succeeded; the second step needs one of these factors."""

    status = _status("mfa_required")
    mfa_token = fields.String(required=True, metadata={"description": "for the next step only"})
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    factors = fields.List(fields.Nested(EligibleFactor), required=True)
    next = fields.String(
        metadata={"description": "what to do if no factor is independent of the first step"}
    )


class MfaEnrolmentRequired(Schema):
    """The first step of a login succeeded; a second factor has to be enrolled first."""

    status = _status("mfa_enrolment_required")
    mfa_token = fields.String(required=True, metadata={"description": "for the next step only"})
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    kinds = fields.List(
        fields.String(), required=True, metadata={"description": "that can be enrolled"}
    )


class LoginResponse(Union):
    """The user is signed in, or needs a second factor, or has to enrol one first."""

    kinds: ClassVar[Mapping[str, Schema]] = {
        "authenticated": TokenResponse(),
        "mfa_required": MfaChallenge(),
        "mfa_enrolment_required": MfaEnrolmentRequired(),
    }


class EnrolmentResponse(TokenResponse):
    """The user has enrolled a factor during login and is signed in."""

    recovery_codes = fields.List(fields.String(), required=True)


class RegistrationResponse(Status):
    """A sign-up waits for its code, which verifies the e-mail address together with this token."""

    registration_token = fields.String(required=True)


class LoginLinkResponse(Status):
    """A login link was requested; it works only together with this token."""

    login_token = fields.String(required=True)


class LinkCode(Schema):
    """The code that belongs to a link, to enter where the link was requested."""

    code = fields.String(required=True)


class CsrfTokenResponse(Schema):
    """The value for `X-CSRF-Token` in writes by cookie; it stays the same for a session."""

    csrf_token = fields.String(required=True)


@dataclass(frozen=True)
class PageQueryForm:
    """The query `PageQuery`."""

    limit: int
    cursor: str | None = None


class PageQuery(Form):
    """Selects a page of a list."""

    form_type = PageQueryForm

    limit = QueryInteger(load_default=50, validate=validate.Range(1, 100))
    cursor = String(
        200, metadata={"format": "cursor", "description": "`next_cursor` of the previous page"}
    )


def page_schema(items: type[Schema]) -> type[Schema]:
    """Return the schema of one page of these items."""
    shape: dict[str, fields.Field[Any]] = {
        "items": fields.List(fields.Nested(items), required=True),
        "next_cursor": fields.String(required=True, allow_none=True),
    }
    return Schema.from_dict(shape, name=f"{items.__name__}Page")
