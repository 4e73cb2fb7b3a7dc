"""The forms of this room: what recovers an account and changes its addresses."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from gatehouse.captcha.provider import captcha_field
from gatehouse.mfa.webauthn.forms import BrowserCredential
from gatehouse.users import forms, identifiers
from gatehouse.users.forms import Identifier, email_field, new_password
from gatehouse.web.fields import Coded, Form, Text

A_PHONE = {"example": "+4915112345678"}
WAYS = ({"token"}, {"email", "code"}, {"phone", "code"})


def _code() -> Text:
    return Text(32, metadata={"description": "from the message"})


def _token() -> Text:
    return Text(200, metadata={"description": "from the link"})


def _email() -> Identifier:
    return Identifier(identifiers.email, 254, metadata={"format": "email"})


def _phone(**options: Any) -> Identifier:
    return Identifier(identifiers.phone, 32, metadata=A_PHONE, **options)


class PasskeyOfNewcomer(Form):
    """Whom a passkey is made for, as authenticators show it."""

    email = email_field()
    name = Text(200)


class NewPasskey(Form):
    """What the browser made, the token that its options came with, and what its owner calls it."""

    registration_token = Text(64, required=True, metadata={"description": "of the options"})
    credential = fields.Nested(BrowserCredential, required=True)
    label = Text(64, load_default="passkey", metadata={"example": "My phone"})


class Register(forms.Register):
    """Somebody asks for an account, with a `password` or with a `passkey`."""

    password = new_password(required=False)
    passkey = fields.Nested(NewPasskey)

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def one_at_least(self, _form: dict[str, Any], sent: Any, **_: Any) -> None:
        """Ask for one of the two, also where other fields are wrong."""
        if isinstance(sent, dict) and not {"password", "passkey"} & sent.keys():
            raise ValidationError("Missing data for required field.", "password")

    @validates_schema
    def one_at_most(self, form: dict[str, Any], **_: Any) -> None:
        """Take no account with both."""
        if {"password", "passkey"} <= form.keys():
            raise ValidationError(Coded("one_way", "Send password or passkey."), "passkey")


class PasswordChange(Form):
    """The password that one has, and the one to have."""

    current_password = Text(1024, required=True, one_line=False, load_only=True)
    password = new_password()


class Forgot(Form):
    """Whose password was forgotten: by `email`, or by `phone` where that was proved."""

    email = _email()
    phone = _phone()
    captcha = captcha_field()

    @validates_schema
    def one_way(self, form: dict[str, Any], **_: Any) -> None:
        """Ask for one of the two."""
        if len(form.keys() & {"email", "phone"}) != 1:
            raise ValidationError(Coded("one_way", "Send email or phone."))


class Reset(Form):
    """A new password, with `token`, or with `code` and the `email` or `phone` it was sent to."""

    email = _email()
    phone = _phone()
    code = _code()
    token = _token()
    password = new_password()

    @validates_schema
    def one_way(self, form: dict[str, Any], **_: Any) -> None:
        """Ask for one of the three ways, whole."""
        if form.keys() - {"password"} not in WAYS:
            sentence = "Send token, or email and code, or phone and code."
            raise ValidationError(Coded("one_way", sentence))


class Resend(Form):
    """Which registration's mail shall come again."""

    email = email_field()


class EmailChange(Form):
    """The address to have."""

    email = email_field()


class EmailUndo(Form):
    """The link by which an old address takes its account back."""

    token = Text(200, required=True, metadata={"description": "from the link"})


class Phone(Form):
    """The number to have."""

    phone = _phone(required=True)


class PhoneProof(Form):
    """The number, and the code that was texted to it."""

    phone = _phone(required=True)
    code = Text(32, required=True, metadata={"description": "from the message"})


class LostFactor(Forgot):
    """Whose second factor was lost: by `email`, or by `phone` where that was proved."""


class LossProof(Form):
    """The code that was sent, for who asked for it, and a proof that is independent of it."""

    recovery_token = Text(64, required=True, metadata={"description": "of the answer to asking"})
    code = Text(32, required=True, metadata={"description": "from the message"})
    password = Text(1024, one_line=False, load_only=True, metadata={"format": "password"})
    recovery_code = Text(64, load_only=True, metadata={"description": "of the saved ones"})

    @validates_schema
    def two_proofs(self, form: dict[str, Any], **_: Any) -> None:
        """Ask for one beside the code."""
        if len(form.keys() & {"password", "recovery_code"}) != 1:
            raise ValidationError(Coded("one_way", "Send password or recovery_code."))
