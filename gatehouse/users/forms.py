"""The forms of this room: what registers, proves and changes an account."""

from collections.abc import Callable
from typing import Any

from marshmallow import ValidationError, validate, validates_schema

from gatehouse.captcha.provider import captcha_field
from gatehouse.users import identifiers
from gatehouse.web.fields import Coded, Form, Text

LOCALE = validate.Regexp(
    r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\Z",
    error=Coded("invalid", "Write a language tag, such as en or de-AT."),
)
A_LOCALE = {"pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", "example": "de-AT"}
A_USERNAME = {"pattern": f"^{identifiers.USERNAME.pattern}$", "example": "ann"}
"""The same rules as the document tells them."""


class Identifier(Text):
    """Text in a canonical form; `read` raises ValueError with a sentence."""

    def __init__(self, read: Callable[[str], Any], longest: int, **kwargs: Any) -> None:
        super().__init__(longest, **kwargs)
        self.read = read

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return self.read(text)
        except ValueError as problem:
            raise ValidationError(Coded("invalid", str(problem))) from None


def _as_written(text: str) -> str:
    identifiers.username(text)
    return text


def email_field() -> Identifier:
    """Return a required e-mail address."""
    about = {"format": "email", "example": "ann@example.com"}
    return Identifier(identifiers.email, 254, required=True, metadata=about)


def new_password(required: bool = True) -> Text:
    """Return a field for a password; whether it is good enough is the policy's question."""
    about = {"example": "seven green lanterns", "format": "password"}
    return Text(1024, required=required, one_line=False, load_only=True, metadata=about)


class Register(Form):
    """Somebody asks for an account; `selfservice.forms` adds what they will sign in with."""

    email = email_field()
    username = Identifier(_as_written, 32, shortest=3, metadata=A_USERNAME)
    phone = Identifier(identifiers.phone, 32, metadata={"example": "+4915112345678"})
    name = Text(200)
    locale = Text(35, validate=LOCALE, metadata=A_LOCALE)
    captcha = captcha_field()


PROOFS_OF_AN_ADDRESS = (
    {"email", "code"},
    {"email", "code", "password"},
    {"email", "code", "registration_token"},
    {"token", "password"},
)


class VerifyEmail(Form):
    """Somebody proves an address: by `email` and `code`, or by `token` and `password`.

    The code counts where it was asked for, and elsewhere if the `password` comes along. Who
    registered with a passkey sends the `registration_token` along instead.
    """

    email = Identifier(identifiers.email, 254, metadata={"format": "email"})
    code = Text(32, metadata={"example": "12345678"})
    registration_token = Text(64, metadata={"description": "of the options of a passkey"})
    token = Text(200, metadata={"description": "from the link"})
    password = Text(1024, one_line=False, load_only=True, metadata={"format": "password"})

    @validates_schema
    def one_way(self, form: dict[str, Any], **_: Any) -> None:
        """Ask for one of the ways, whole."""
        if set(form) in PROOFS_OF_AN_ADDRESS:
            return
        sentence = "Send email and code, perhaps with the password, or token and password."
        raise ValidationError(Coded("one_way", sentence))


class AcceptInvitation(Form):
    """Somebody accepts an invitation."""

    token = Text(200, required=True)
    password = new_password()


class Profile(Form):
    """What a person may change; null empties a field. Addresses are proved, not changed here."""

    name = Text(200, allow_none=True)
    username = Identifier(_as_written, 32, shortest=3, allow_none=True, metadata=A_USERNAME)
    locale = Text(35, allow_none=True, validate=LOCALE, metadata=A_LOCALE)
