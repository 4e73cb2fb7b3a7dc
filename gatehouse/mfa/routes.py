"""The door of the room: my second factors."""

from typing import Any
from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.core.errors import NotFound
from gatehouse.database.session import db
from gatehouse.lockout.service import TooManyAttempts
from gatehouse.mfa import passkey_registration, reset
from gatehouse.mfa import service as mfa
from gatehouse.mfa.errors import (
    FactorNotOffered,
    FactorWrong,
    PhoneUnproven,
    ResetNotWaiting,
    TooManyFactors,
)
from gatehouse.mfa.forms import NewFactor, Proof
from gatehouse.mfa.webauthn.errors import (
    AuthenticatorNotAllowed,
    MalformedCredential,
    PasskeyRefused,
)
from gatehouse.mfa.webauthn.forms import BrowserCredential
from gatehouse.mfa.webauthn.options import LIFETIME
from gatehouse.sessions.errors import InsufficientUserAuthentication
from gatehouse.sessions.guards import signed_in
from gatehouse.tokens.service import AccessToken
from gatehouse.web.fields import Form, Text
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import limited
from gatehouse.web.request_context import visitor
from schemas import Moment

routes = Blueprint("mfa", __name__, url_prefix="/auth/mfa", description="My second factors")
registrations = Blueprint(
    "registrations", __name__, url_prefix="/auth/passkeys/registration", description="Passkeys"
)
MOMENT = {"type": "string", "format": "date-time"}


class Factor(Schema):
    """A second factor of mine."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    kind = fields.String(required=True, metadata={"example": "totp"})
    label = fields.String(required=True, metadata={"example": "Phone"})
    confirmed = fields.Boolean(required=True)
    created_at = Moment(required=True, metadata=MOMENT)
    last_used_at = Moment(required=True, allow_none=True, metadata=MOMENT)
    left = fields.Integer(metadata={"description": "recovery codes that still work"})


class Factors(Schema):
    """All of them."""

    items = fields.List(fields.Nested(Factor), required=True)


class Enrolled(Factor):
    """A factor that counts once it is confirmed, with what is needed to set it up: shown once."""

    secret = fields.String(metadata={"description": "TOTP, in base32"})
    uri = fields.String(metadata={"description": "TOTP, for an app: `otpauth://...`"})
    qr_svg = fields.String(metadata={"description": "TOTP, the `uri` as a picture"})
    public_key = fields.Dict(metadata={"description": "passkey, for `navigator.credentials`"})
    risk = fields.String(metadata={"description": "sms: what one should know of it"})
    alternatives = fields.List(
        fields.String(), metadata={"description": "sms: the kinds that protect better"}
    )


class Confirmed(Schema):
    """A factor that counts; the first one brings recovery codes."""

    factor = fields.Nested(Factor, required=True)
    recovery_codes = fields.List(fields.String(), metadata={"description": "shown once"})


class Codes(Schema):
    """New recovery codes, shown once."""

    recovery_codes = fields.List(fields.String(), required=True)


@routes.get("/factors")
@signed_in
@routes.response(200, Factors)
def list_factors(caller: AccessToken) -> dict[str, Any]:
    """List my second factors; their secrets are not shown again."""
    return {"items": mfa.listing(UUID(caller.sub))}


@routes.post("/factors")
@limited("factor")
@signed_in
@routes.arguments(NewFactor)
@routes.response(201, Enrolled)
@routes.refuses(InsufficientUserAuthentication, FactorNotOffered, TooManyFactors, PhoneUnproven)
def enrol_factor(caller: AccessToken, form: dict[str, Any]) -> dict[str, Any]:
    """Begin to have a factor; it counts once it is confirmed."""
    mfa.require_highest(caller)
    enrolled = mfa.enrol(UUID(caller.sub), form, visitor())
    db.session.commit()
    return enrolled


@routes.post("/factors/<uuid:factor_id>/confirm")
@limited("factor")
@signed_in
@routes.arguments(Proof)
@routes.response(200, Confirmed)
@routes.refuses(InsufficientUserAuthentication, NotFound, FactorWrong, TooManyAttempts)
def confirm_factor(caller: AccessToken, form: dict[str, Any], factor_id: UUID) -> Any:
    """Confirm a factor with a first proof; my other sessions end."""
    mfa.require_highest(caller)
    confirmed = mfa.confirm(caller, factor_id, form, visitor())
    db.session.commit()
    return confirmed


@routes.delete("/factors/<uuid:factor_id>")
@signed_in
@routes.response(204)
@routes.refuses(InsufficientUserAuthentication, NotFound)
def remove_factor(caller: AccessToken, factor_id: UUID) -> None:
    """Remove a factor; my other sessions end."""
    mfa.require_highest(caller)
    mfa.remove(caller, factor_id, visitor())
    db.session.commit()


@routes.post("/recovery-codes")
@limited("factor")
@signed_in
@routes.response(201, Codes)
@routes.refuses(InsufficientUserAuthentication, FactorNotOffered)
def replace_recovery_codes(caller: AccessToken) -> dict[str, Any]:
    """Replace my recovery codes; the old ones stop working."""
    mfa.require_highest(caller)
    codes = mfa.replace_codes(UUID(caller.sub), visitor())
    db.session.commit()
    return {"recovery_codes": codes}


class ResetStop(Form):
    """The link that says when the second factors go."""

    token = Text(200, required=True, metadata={"description": "from the link"})


@routes.post("/reset/cancel")
@limited("verify")
@routes.arguments(ResetStop)
@routes.response(204)
@routes.refuses(ResetNotWaiting)
def cancel_reset(form: dict[str, Any]) -> None:
    """Keep my second factors, with the link that told me that they go."""
    reset.cancel(form["token"], visitor())
    db.session.commit()


@routes.delete("/reset")
@limited("verify")
@signed_in
@routes.response(204)
@routes.refuses(InsufficientUserAuthentication, ResetNotWaiting)
def cancel_my_reset(caller: AccessToken) -> None:
    """Keep my second factors, of which I have just proved one."""
    mfa.require_highest(caller)
    reset.cancel_own(UUID(caller.sub), visitor())
    db.session.commit()


class PasskeyCreation(Schema):
    """What to hand to `navigator.credentials.create()`."""

    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    public_key = fields.Dict(
        required=True, metadata={"description": "PublicKeyCredentialCreationOptionsJSON"}
    )


class PasskeyRegistration(Form):
    """What the browser made, and what its owner calls it."""

    credential = fields.Nested(BrowserCredential, required=True)
    label = Text(64, load_default="passkey", metadata={"example": "My phone"})


@registrations.post("/options")
@limited("passkey")
@signed_in
@registrations.response(200, PasskeyCreation)
@registrations.refuses(InsufficientUserAuthentication, FactorNotOffered, TooManyFactors)
def ask_for_new_passkey(caller: AccessToken) -> dict[str, Any]:
    """Begin to register a passkey that signs in without anything else."""
    mfa.require_highest(caller)
    public_key = passkey_registration.ask(caller)
    db.session.commit()
    return {"public_key": public_key, "expires_in": int(LIFETIME.total_seconds())}


@registrations.post("/verify")
@limited("passkey")
@signed_in
@registrations.arguments(PasskeyRegistration)
@registrations.response(201, Confirmed)
@registrations.refuses(PasskeyRefused, MalformedCredential, AuthenticatorNotAllowed)
@registrations.refuses(InsufficientUserAuthentication)
def register_passkey(caller: AccessToken, form: dict[str, Any]) -> Any:
    """Register what the browser made; my other sessions end."""
    mfa.require_highest(caller)
    registered = passkey_registration.register(caller, form["credential"], form["label"], visitor())
    db.session.commit()
    return registered
