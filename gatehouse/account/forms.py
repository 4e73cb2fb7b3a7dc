"""Request schemas for sign-up, e-mail and phone changes, password reset and MFA recovery."""

from dataclasses import dataclass, field

from marshmallow import ValidationError, fields, validates_schema

from gatehouse.captcha.provider import captcha_field
from gatehouse.mfa.webauthn.forms import BrowserCredential, CredentialJson
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.users import forms, identifiers
from gatehouse.users.forms import (
    CHANNEL_BY_FIELD,
    Identifier,
    RecipientFields,
    RecipientForm,
    email_field,
    new_password_field,
)
from gatehouse.users.identifiers import Email
from gatehouse.web.fields import Code, CodedMessage, Form, String


def _code_field(required: bool = False) -> Code:
    return Code(required=required, metadata={"description": "from the message"})


def _token_field() -> String:
    return String(200, metadata={"description": "from the link"})


def _phone_field(**options: object) -> Identifier:
    return Identifier(identifiers.parse_phone, 32, metadata=forms.PHONE_METADATA, **options)


@dataclass(frozen=True)
class PasskeySignUpOptionsForm:
    """The form `PasskeySignUpOptionsRequest`."""

    email: Email
    name: str | None = None


@dataclass(frozen=True)
class NewPasskeyForm:
    """The form `NewPasskey`."""

    registration_token: str = field(repr=False)
    credential: CredentialJson
    label: str


@dataclass(frozen=True)
class RegistrationForm:
    """The form `RegistrationRequest`."""

    email: Email
    profile: dict[str, str]
    captcha: str | None = None
    password: str | None = field(default=None, repr=False)
    passkey: NewPasskeyForm | None = None
    attributes: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class PasswordChangeForm:
    """The form `PasswordChange`."""

    current_password: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True)
class RecoveryRequestForm:
    """The forms `PasswordResetRequest` and `MfaRecoveryRequest`."""

    recipient: Recipient
    captcha: str | None = None


@dataclass(frozen=True)
class PasswordResetForm:
    """The form `PasswordReset`."""

    password: str = field(repr=False)
    token: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    recipient: Recipient | None = None


@dataclass(frozen=True)
class EmailForm:
    """The forms `VerificationResendRequest` and `EmailChange`."""

    email: Email


@dataclass(frozen=True)
class EmailChangeRevertForm:
    """The form `EmailChangeRevert`."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class AccountRestorationForm:
    """The form `AccountRestoration`."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class PhoneChangeForm:
    """The form `PhoneChange`."""

    phone: str


@dataclass(frozen=True)
class PhoneVerificationForm:
    """The form `PhoneVerification`."""

    phone: str
    code: str = field(repr=False)


@dataclass(frozen=True)
class MfaRecoveryProofForm:
    """The form `MfaRecoveryProof`."""

    recovery_token: str = field(repr=False)
    code: str = field(repr=False)
    password: str | None = field(default=None, repr=False)
    recovery_code: str = field(default="", repr=False)


class PasskeySignUpOptionsRequest(Form):
    """The user of a new passkey, as authenticators display them."""

    form_type = PasskeySignUpOptionsForm

    email = email_field()
    name = String(200)


class NewPasskey(Form):
    """The credential that the browser created, the token of its options, and a label."""

    form_type = NewPasskeyForm

    registration_token = String(64, required=True, metadata={"description": "of the options"})
    credential = fields.Nested(BrowserCredential, required=True)
    label = String(64, load_default="passkey", metadata={"example": "My phone"})


class RegistrationRequest(forms.RegistrationFields):
    """A sign-up with a `password` or a `passkey`."""

    form_type = RegistrationForm
    alternatives = (frozenset({"password"}), frozenset({"passkey"}))

    password = new_password_field(required=False)
    passkey = fields.Nested(NewPasskey)

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def require_credential(self, _form: dict[str, object], sent: object, **_: object) -> None:
        """Require one of the two, even if other fields are invalid."""
        if isinstance(sent, dict) and not {"password", "passkey"} & sent.keys():
            raise ValidationError("Missing data for required field.", "password")

    @validates_schema
    def require_one_alternative(self, form: dict[str, object], **_: object) -> None:
        """Reject a sign-up with both."""
        if {"password", "passkey"} <= form.keys():
            raise ValidationError(
                CodedMessage("invalid_combination", "Send password or passkey."), "passkey"
            )


class PasswordChange(Form):
    """The current password and the new one."""

    form_type = PasswordChangeForm

    current_password = String(1024, required=True, one_line=False, load_only=True)
    password = new_password_field()


class PasswordResetRequest(RecipientForm):
    """The user who forgot the password: by `email`, or by a verified `phone` number."""

    form_type = RecoveryRequestForm

    captcha = captcha_field()


class PasswordReset(RecipientFields):
    """A new password, with `token`, or with `code` and the `email` or `phone` it was sent to."""

    form_type = PasswordResetForm
    alternatives = (
        frozenset({"token"}),
        *(frozenset({name, "code"}) for name in CHANNEL_BY_FIELD),
    )

    code = _code_field()
    token = _token_field()
    password = new_password_field()


class VerificationResendRequest(Form):
    """The pending sign-up whose e-mail is to be sent again."""

    form_type = EmailForm

    email = email_field()


class EmailChange(Form):
    """The new e-mail address."""

    form_type = EmailForm

    email = email_field()


class EmailChangeRevert(Form):
    """The token of the link that the previous e-mail address received."""

    form_type = EmailChangeRevertForm

    token = String(200, required=True, metadata={"description": "from the link"})


class AccountRestoration(Form):
    """The token of the link in the e-mail about the deletion of an account."""

    form_type = AccountRestorationForm

    token = String(200, required=True, metadata={"description": "from the link"})


class PhoneChange(Form):
    """The new phone number."""

    form_type = PhoneChangeForm

    phone = _phone_field(required=True)


class PhoneVerification(Form):
    """The new phone number, and the code that was sent to it by SMS."""

    form_type = PhoneVerificationForm

    phone = _phone_field(required=True)
    code = _code_field(required=True)


class MfaRecoveryRequest(PasswordResetRequest):
    """The user who lost a second factor: by `email`, or by a verified `phone` number."""


class MfaRecoveryProof(Form):
    """The code that was sent, its token, and an independent second credential."""

    form_type = MfaRecoveryProofForm
    alternatives = (frozenset({"password"}), frozenset({"recovery_code"}))

    recovery_token = String(
        64, required=True, metadata={"description": "from the response to the request"}
    )
    code = _code_field(required=True)
    password = String(1024, one_line=False, load_only=True, metadata={"format": "password"})
    recovery_code = Code(metadata={"description": "one of the saved codes"})
