"""Request schemas for sign-up, e-mail verification, invitations and the profile."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from marshmallow import ValidationError, post_load, validate, validates_schema

from gatehouse.captcha.provider import captcha_field
from gatehouse.one_time_codes.channel import CHANNELS, EMAIL, CodeChannel, Recipient
from gatehouse.users import identifiers
from gatehouse.users.identifiers import Email
from gatehouse.web.attributes import Attributes
from gatehouse.web.fields import Code, CodedMessage, Form, String, TypedString
from models import PROFILE_LENGTHS

LOCALE_VALIDATOR = validate.Regexp(
    r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\Z",
    error=CodedMessage("invalid", "Write a language tag, such as en or de-AT."),
)
LOCALE_METADATA = {"pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", "example": "de-AT"}
PHONE_METADATA = {
    "format": "phone",
    "pattern": r"^\s*\+[0-9 ()./-]+\s*$",
    "example": "+4915112345678",
}
USERNAME_METADATA = {"pattern": f"^{identifiers.USERNAME_PATTERN.pattern}$", "example": "ann"}
"""The same rules for the OpenAPI document."""
PROFILE_RULES: dict[str, Any] = {
    "locale": {"validate": LOCALE_VALIDATOR, "metadata": LOCALE_METADATA}
}
"""Rules of a column of the profile, besides its length."""


class Identifier(TypedString):
    """A string parsed to its canonical form; `parse` raises ValueError with a message."""

    def __init__(self, parse: Callable[[str], Any], max_length: int, **kwargs: Any) -> None:
        super().__init__(max_length, **kwargs)
        self.parse = parse

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return self.parse(text)
        except ValueError as error:
            raise ValidationError(CodedMessage("invalid", str(error))) from None


def validate_username(text: str) -> str:
    """Return a username as it is written; raise ValueError if it breaks the rules."""
    identifiers.parse_username(text)
    return text


def email_field() -> Identifier:
    """Return the field of a required e-mail address."""
    about = {"format": "email", "example": "ann@example.com"}
    return Identifier(identifiers.parse_email, 254, required=True, metadata=about)


def _recipient_field(channel: CodeChannel) -> Identifier:
    if channel.identifier == EMAIL:
        return Identifier(identifiers.parse_email, 254, metadata={"format": "email"})
    return Identifier(identifiers.parse_phone, 32, metadata=PHONE_METADATA)


PROFILE_FIELDS = ("username", "phone", *PROFILE_LENGTHS)
CHANNEL_BY_FIELD = {channel.form_field: name for name, channel in CHANNELS.items()}


class RecipientFields(
    Form.from_dict({one.form_field: _recipient_field(one) for one in CHANNELS.values()})  # type: ignore[misc]
):
    """At most one recipient of a code: an `email`, or a `phone` number; loads as `recipient`."""

    @post_load
    def make_form(self, members: dict[str, Any], **_: Any) -> Any:
        """Return the form, with the recipient that was named."""
        for name in CHANNEL_BY_FIELD.keys() & members.keys():
            members["recipient"] = _build_recipient(CHANNEL_BY_FIELD[name], members.pop(name))
        return super().make_form(members)


class RecipientForm(RecipientFields):
    """The recipient of a code."""

    alternatives = tuple(frozenset({name}) for name in CHANNEL_BY_FIELD)


def _build_recipient(channel: str, value: Email | str) -> Recipient:
    if isinstance(value, Email):
        return Recipient(channel, value.as_written, value.canonical)
    return Recipient(channel, value, value)


def new_password_field(required: bool = True) -> String:
    """Return the field of a new password; the password policy checks it later."""
    about = {"example": "seven green lanterns", "format": "password", "description": "a new one"}
    return String(1024, required=required, one_line=False, load_only=True, metadata=about)


@dataclass(frozen=True)
class VerifyEmailForm:
    """The form `VerifyEmail`."""

    email: Email | None = None
    code: str = field(default="", repr=False)
    registration_token: str | None = field(default=None, repr=False)
    token: str = field(default="", repr=False)
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class VerificationLinkForm:
    """The form `VerificationLink`."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class AcceptInvitationForm:
    """The form `AcceptInvitation`."""

    token: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True)
class ProfileUpdateForm:
    """The form `ProfileUpdate`."""

    profile: dict[str, str | None]
    """The fields to change; None clears a field."""
    attributes: dict[str, object] = field(default_factory=dict)
    """Those to change, which the service validates; None removes one."""


def profile_fields(**options: Any) -> dict[str, String]:
    """Return a field for each column of the profile."""
    return {
        name: String(length, **PROFILE_RULES.get(name, {}), **options)
        for name, length in PROFILE_LENGTHS.items()
    }


class ProfileFields(Form):
    """A form that loads the profile's fields as one member, `profile`, which has those sent."""

    @post_load
    def make_form(self, members: dict[str, object], **_: object) -> object:
        """Return the form, with its profile."""
        profile = {name: members.pop(name) for name in PROFILE_FIELDS if name in members}
        return super().make_form(members | {"profile": profile})


def attributes_field() -> Attributes:
    """Return the field of attributes, which the current profile schema validates later."""
    about = "by name, as the operator declares them; null removes one"
    return Attributes(metadata={"description": about, "example": {"department": "sales"}})


class RegistrationFields(ProfileFields):
    """The profile fields of a sign-up; `account.forms` adds the password or passkey."""

    email = email_field()
    username = Identifier(validate_username, 32, min_length=3, metadata=USERNAME_METADATA)
    phone = Identifier(identifiers.parse_phone, 32, metadata=PHONE_METADATA)
    captcha = captcha_field()
    attributes = attributes_field()

    class Meta:
        """The profile's fields."""

        include = profile_fields()


class VerifyEmail(Form):
    """The verification of an e-mail address: `email` and `code`, or `token` and `password`.

    With the code comes the `registration_token` of the sign-up, or the `password`, or the access
    token of the account whose address changes.
    """

    form_type = VerifyEmailForm
    alternatives = (
        frozenset({"email", "code", "registration_token"}),
        frozenset({"email", "code", "password"}),
        frozenset({"token", "password"}),
        frozenset({"email", "code"}),  # with an access token
    )

    email = Identifier(identifiers.parse_email, 254, metadata={"format": "email"})
    code = Code(metadata={"example": "12345678"})
    registration_token = String(64, metadata={"description": "from the response to the sign-up"})
    token = String(200, metadata={"description": "from the link"})
    password = String(1024, one_line=False, load_only=True, metadata={"format": "password"})

    @validates_schema
    def require_one_alternative(self, form: dict[str, object], **_: object) -> None:
        """Require exactly the fields of one way."""
        if set(form) in self.alternatives:
            return
        message = "Send email and code with registration_token or password, or token and password."
        raise ValidationError(CodedMessage("invalid_combination", message))


class VerificationLink(Form):
    """The token of the link of a sign-up with a passkey."""

    form_type = VerificationLinkForm

    token = String(200, required=True, metadata={"description": "from the link"})


class AcceptInvitation(Form):
    """The token of an invitation, and the password of the new account."""

    form_type = AcceptInvitationForm

    token = String(200, required=True)
    password = new_password_field()


class ProfileUpdate(ProfileFields):
    """The profile fields that users change directly; null clears a field."""

    form_type = ProfileUpdateForm

    username = Identifier(
        validate_username, 32, min_length=3, allow_none=True, metadata=USERNAME_METADATA
    )
    attributes = attributes_field()

    class Meta:
        """The profile's fields."""

        include = profile_fields(allow_none=True)
