"""Routes for a user's own second factors, MFA reset and passkey registration."""

from dataclasses import dataclass, field
from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.core.errors import NotFound
from gatehouse.lockout.errors import TooManyAttempts
from gatehouse.mfa import assurance_level, passkey_registration, reset
from gatehouse.mfa import service as mfa
from gatehouse.mfa.errors import (
    FactorUnavailable,
    FactorVerificationFailed,
    PhoneUnverified,
    ResetNotPending,
    TooManyFactors,
)
from gatehouse.mfa.forms import (
    FactorVerification,
    FactorVerificationForm,
    NewFactor,
    NewFactorForm,
)
from gatehouse.mfa.webauthn.errors import (
    AuthenticatorNotAllowed,
    MalformedCredential,
    PasskeyRejected,
)
from gatehouse.mfa.webauthn.forms import BrowserCredential, CredentialJson
from gatehouse.mfa.webauthn.options import LIFETIME
from gatehouse.sessions.errors import InsufficientUserAuthentication
from gatehouse.sessions.guards import signed_in
from gatehouse.tokens.service import AccessToken
from gatehouse.web.fields import Form, String
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import Timestamp

routes = Blueprint("mfa", __name__, url_prefix="/auth/mfa", description="My second factors")
registrations = Blueprint(
    "registrations", __name__, url_prefix="/auth/passkeys/registration", description="Passkeys"
)
TIMESTAMP = {"type": "string", "format": "date-time"}


class Factor(Schema):
    """A second factor of mine."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    kind = fields.String(required=True, metadata={"example": "totp"})
    label = fields.String(required=True, metadata={"example": "Phone"})
    confirmed = fields.Boolean(required=True)
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    last_used_at = Timestamp(required=True, allow_none=True, metadata=TIMESTAMP)
    left = fields.Integer(metadata={"description": "recovery codes that still work"})


class FactorList(Schema):
    """My second factors."""

    items = fields.List(fields.Nested(Factor), required=True)


class EnrolledFactor(Factor):
    """A factor to be confirmed, with what its set-up needs; this is shown only once."""

    secret = fields.String(metadata={"description": "TOTP, in base32"})
    uri = fields.String(metadata={"description": "TOTP, for an app: `otpauth://...`"})
    qr_svg = fields.String(metadata={"description": "TOTP, the `uri` as a picture"})
    public_key = fields.Dict(metadata={"description": "passkey, for `navigator.credentials`"})
    risk = fields.String(metadata={"description": "sms: the risk of codes by SMS"})
    alternatives = fields.List(
        fields.String(), metadata={"description": "sms: kinds that protect better"}
    )


class ConfirmedFactor(Schema):
    """A confirmed factor; with the first one come recovery codes."""

    factor = fields.Nested(Factor, required=True)
    recovery_codes = fields.List(fields.String(), metadata={"description": "shown once"})
    next = fields.String(metadata={"description": "what a further factor needs"})


class RecoveryCodeList(Schema):
    """New recovery codes, shown once."""

    recovery_codes = fields.List(fields.String(), required=True)


@routes.get("/factors")
@signed_in
@routes.response(200, FactorList)
def list_factors(caller: AccessToken) -> dict[str, object]:
    """List my second factors, without their secrets."""
    return {"items": mfa.list_factors(UUID(caller.sub))}


@routes.post("/factors")
@rate_limit("factor")
@signed_in
@routes.arguments(NewFactor)
@routes.response(201, EnrolledFactor)
@routes.errors(InsufficientUserAuthentication, FactorUnavailable, TooManyFactors, PhoneUnverified)
def enrol_factor(caller: AccessToken, form: NewFactorForm) -> dict[str, object]:
    """Start enrolling a factor; it becomes active once it is confirmed."""
    assurance_level.require_max_assurance_level(caller)
    return mfa.enrol_factor(UUID(caller.sub), form, request_context())


@routes.post("/factors/<uuid:factor_id>/confirm")
@rate_limit("factor")
@signed_in
@routes.arguments(FactorVerification)
@routes.response(200, ConfirmedFactor)
@routes.errors(InsufficientUserAuthentication, NotFound, FactorVerificationFailed, TooManyAttempts)
def confirm_factor(
    caller: AccessToken, form: FactorVerificationForm, factor_id: UUID
) -> dict[str, object]:
    """Confirm a factor with a first response; this ends my other sessions."""
    assurance_level.require_max_assurance_level(caller)
    return mfa.confirm_factor(caller, factor_id, form.given.response, request_context())


@routes.delete("/factors/<uuid:factor_id>")
@signed_in
@routes.response(204)
@routes.errors(InsufficientUserAuthentication, NotFound)
def remove_factor(caller: AccessToken, factor_id: UUID) -> None:
    """Remove a factor; this ends my other sessions."""
    assurance_level.require_max_assurance_level(caller)
    mfa.remove_factor(caller, factor_id, request_context())


@routes.post("/recovery-codes")
@rate_limit("factor")
@signed_in
@routes.response(201, RecoveryCodeList)
@routes.errors(InsufficientUserAuthentication, FactorUnavailable)
def replace_recovery_codes(caller: AccessToken) -> dict[str, object]:
    """Replace my recovery codes; the old ones stop working."""
    assurance_level.require_max_assurance_level(caller)
    codes = mfa.replace_recovery_codes(UUID(caller.sub), request_context())
    return {"recovery_codes": codes}


@dataclass(frozen=True)
class MfaResetCancellationForm:
    """The token of a cancellation link."""

    token: str = field(repr=False)


class MfaResetCancellation(Form):
    """The token of a cancellation link."""

    form_type = MfaResetCancellationForm

    token = String(200, required=True, metadata={"description": "from the link"})


@routes.post("/reset/cancel")
@rate_limit("verify")
@routes.arguments(MfaResetCancellation)
@routes.response(204)
@routes.errors(ResetNotPending)
def cancel_mfa_reset(form: MfaResetCancellationForm) -> None:
    """Cancel the reset of my second factors, with the link from the notification."""
    reset.cancel_by_link(form.token, request_context())


class PendingMfaReset(Schema):
    """A reset of all my second factors that is announced."""

    scheduled_at = Timestamp(required=True, metadata=TIMESTAMP)
    due_at = Timestamp(required=True, metadata=TIMESTAMP)


@routes.get("/reset")
@signed_in
@routes.response(200, PendingMfaReset)
@routes.errors(NotFound)
def read_mfa_reset(caller: AccessToken) -> dict[str, object]:
    """Read the pending reset of my second factors; without one, 404."""
    pending = reset.find_for_user(UUID(caller.sub))
    if pending is None:
        raise NotFound
    return {"scheduled_at": pending.scheduled_at, "due_at": pending.due_at}


@routes.delete("/reset")
@rate_limit("verify")
@signed_in
@routes.response(204)
@routes.errors(InsufficientUserAuthentication, ResetNotPending)
def cancel_my_mfa_reset(caller: AccessToken) -> None:
    """Cancel the reset of my second factors, after authenticating with one of them."""
    assurance_level.require_max_assurance_level(caller)
    reset.cancel_by_owner(UUID(caller.sub), request_context())


class PasskeyCreationOptions(Schema):
    """The argument of `navigator.credentials.create()`."""

    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    public_key = fields.Dict(
        required=True, metadata={"description": "PublicKeyCredentialCreationOptionsJSON"}
    )


@dataclass(frozen=True)
class PasskeyRegistrationForm:
    """The credential that the browser created, and the user's name for it."""

    credential: CredentialJson = field(repr=False)
    label: str


class PasskeyRegistration(Form):
    """The credential that the browser created, and the user's name for it."""

    form_type = PasskeyRegistrationForm

    credential = fields.Nested(BrowserCredential, required=True)
    label = String(64, load_default="passkey", metadata={"example": "My phone"})


@registrations.post("/options")
@rate_limit("passkey")
@signed_in
@registrations.response(200, PasskeyCreationOptions)
@registrations.errors(InsufficientUserAuthentication, FactorUnavailable, TooManyFactors)
def create_passkey_registration_options(caller: AccessToken) -> dict[str, object]:
    """Start registering a passkey for login without a password."""
    assurance_level.require_max_assurance_level(caller)
    public_key = passkey_registration.create_options(caller)
    return {"public_key": public_key, "expires_in": int(LIFETIME.total_seconds())}


@registrations.post("/verify")
@rate_limit("passkey")
@signed_in
@registrations.arguments(PasskeyRegistration)
@registrations.response(201, ConfirmedFactor)
@registrations.errors(PasskeyRejected, MalformedCredential, AuthenticatorNotAllowed)
@registrations.errors(InsufficientUserAuthentication)
def register_passkey(caller: AccessToken, form: PasskeyRegistrationForm) -> dict[str, object]:
    """Register the passkey that the browser created; this ends my other sessions."""
    assurance_level.require_max_assurance_level(caller)
    return passkey_registration.register_passkey(
        caller, form.credential, form.label, request_context()
    )
