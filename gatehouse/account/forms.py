"""Request schemas for sign-up, e-mail and phone changes, password reset and MFA recovery."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from gatehouse.captcha.provider import captcha_field
from gatehouse.mfa.webauthn.forms import BrowserCredential
from gatehouse.users import forms, identifiers
from gatehouse.users.forms import Identifier, email_field, new_password_field
from gatehouse.web.fields import CodedMessage, Form, String

PHONE_METADATA = {"example": "+4915112345678"}
PASSWORD_RESET_FIELDS = ({"token"}, {"email", "code"}, {"phone", "code"})


def _code_field() -> String:
    return String(32, metadata={"description": "from the message"})


def _token_field() -> String:
    return String(200, metadata={"description": "from the link"})


def _email_field() -> Identifier:
    return Identifier(identifiers.parse_email, 254, metadata={"format": "email"})


def _phone_field(**options: Any) -> Identifier:
    return Identifier(identifiers.parse_phone, 32, metadata=PHONE_METADATA, **options)


class PasskeySignUpOptionsRequest(Form):
    """The user of a new passkey, as authenticators display them."""

    email = email_field()
    name = String(200)


class NewPasskey(Form):
    """The credential that the browser created, the token of its options, and a label."""

    registration_token = String(64, required=True, metadata={"description": "of the options"})
    credential = fields.Nested(BrowserCredential, required=True)
    label = String(64, load_default="passkey", metadata={"example": "My phone"})


class RegistrationRequest(forms.RegistrationFields):
    """A sign-up with a `password` or a `passkey`."""

    password = new_password_field(required=False)
    passkey = fields.Nested(NewPasskey)

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def require_credential(self, _form: dict[str, Any], sent: Any, **_: Any) -> None:
        """Require one of the two, even if other fields are invalid."""
        if isinstance(sent, dict) and not {"password", "passkey"} & sent.keys():
            raise ValidationError("Missing data for required field.", "password")

    @validates_schema
    def reject_two_credentials(self, form: dict[str, Any], **_: Any) -> None:
        """Reject a sign-up with both."""
        if {"password", "passkey"} <= form.keys():
            raise ValidationError(
                CodedMessage("invalid_combination", "Send password or passkey."), "passkey"
            )


class PasswordChange(Form):
    """The current password and the new one."""

    current_password = String(1024, required=True, one_line=False, load_only=True)
    password = new_password_field()


class PasswordResetRequest(Form):
    """The user who forgot the password: by `email`, or by a verified `phone` number."""

    email = _email_field()
    phone = _phone_field()
    captcha = captcha_field()

    @validates_schema
    def require_one_identifier(self, form: dict[str, Any], **_: Any) -> None:
        """Require exactly one of the two."""
        if len(form.keys() & {"email", "phone"}) != 1:
            raise ValidationError(CodedMessage("invalid_combination", "Send email or phone."))


class PasswordReset(Form):
    """A new password, with `token`, or with `code` and the `email` or `phone` it was sent to."""

    email = _email_field()
    phone = _phone_field()
    code = _code_field()
    token = _token_field()
    password = new_password_field()

    @validates_schema
    def require_known_combination(self, form: dict[str, Any], **_: Any) -> None:
        """Require exactly the fields of one way."""
        if form.keys() - {"password"} not in PASSWORD_RESET_FIELDS:
            message = "Send token, or email and code, or phone and code."
            raise ValidationError(CodedMessage("invalid_combination", message))


class VerificationResendRequest(Form):
    """The pending sign-up whose e-mail is to be sent again."""

    email = email_field()


class EmailChange(Form):
    """The new e-mail address."""

    email = email_field()


class EmailChangeRevert(Form):
    """The token of the link that the previous e-mail address received."""

    token = String(200, required=True, metadata={"description": "from the link"})


class PhoneChange(Form):
    """The new phone number."""

    phone = _phone_field(required=True)


class PhoneVerification(Form):
    """The new phone number, and the code that was sent to it by SMS."""

    phone = _phone_field(required=True)
    code = String(32, required=True, metadata={"description": "from the message"})


class MfaRecoveryRequest(PasswordResetRequest):
    """The user who lost a second factor: by `email`, or by a verified `phone` number."""


class MfaRecoveryProof(Form):
    """The code that was sent, its token, and an independent second credential."""

    recovery_token = String(
        64, required=True, metadata={"description": "from the response to the request"}
    )
    code = String(32, required=True, metadata={"description": "from the message"})
    password = String(1024, one_line=False, load_only=True, metadata={"format": "password"})
    recovery_code = String(64, load_only=True, metadata={"description": "one of the saved codes"})

    @validates_schema
    def require_password_or_recovery_code(self, form: dict[str, Any], **_: Any) -> None:
        """Require exactly one of them with the code."""
        if len(form.keys() & {"password", "recovery_code"}) != 1:
            raise ValidationError(
                CodedMessage("invalid_combination", "Send password or recovery_code.")
            )
