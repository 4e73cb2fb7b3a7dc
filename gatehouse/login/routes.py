"""The door of the room: passkeys that sign in without anything else."""

from typing import Any

from marshmallow import Schema, fields

from gatehouse.foundation.api import Blueprint
from gatehouse.foundation.database import db, writing
from gatehouse.foundation.errors import NotFound
from gatehouse.foundation.fields import Form, Text
from gatehouse.foundation.limits import limited
from gatehouse.foundation.visitor import visitor
from gatehouse.login import service as login
from gatehouse.login.gates import AccountDisabled, EmailUnverified
from gatehouse.login.methods import passkey
from gatehouse.mfa.passkeys import registration, relying_party
from gatehouse.mfa.passkeys.errors import (
    AuthenticatorNotAllowed,
    MalformedCredential,
    PasskeyRefused,
)
from gatehouse.mfa.passkeys.forms import BrowserCredential
from gatehouse.mfa.passkeys.options import LIFETIME
from gatehouse.sessions.guards import recently_signed_in
from gatehouse.sessions.transport import hand_over, replaced_by
from gatehouse.tokens.service import AccessToken
from schemas import TokenAnswer

routes = Blueprint("login", __name__, url_prefix="/auth/passkeys", description="Passkeys")
well_known = Blueprint("passkeys", __name__, description="Passkeys")


class PasskeyRequest(Schema):
    """What to hand to `navigator.credentials.get()`, and what to send back with its answer."""

    login_token = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    public_key = fields.Dict(
        required=True, metadata={"description": "PublicKeyCredentialRequestOptionsJSON"}
    )


@routes.post("/authentication/options")
@limited("passkey")
@routes.response(200, PasskeyRequest)
def ask_for_passkey() -> dict[str, Any]:
    """Begin to sign in with a passkey; nobody is named, so the options are alike for everybody."""
    with writing():
        asked = passkey.piece.ask()
    db.session.commit()
    return asked


@routes.post("/authentication/verify")
@limited("passkey")
@routes.arguments(passkey.PasskeyLogin)
@routes.response(200, TokenAnswer)
@routes.refuses(PasskeyRefused, MalformedCredential, AccountDisabled, EmailUnverified)
def log_in_with_passkey(form: dict[str, Any]) -> Any:
    """Sign in with what the passkey answered."""
    by = form["transport"]
    tokens = login.begin("passkey", form, visitor(), replaced_by(by))
    db.session.commit()
    return hand_over(tokens, by, visitor())


class PasskeyCreation(Schema):
    """What to hand to `navigator.credentials.create()`."""

    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    public_key = fields.Dict(
        required=True, metadata={"description": "PublicKeyCredentialCreationOptionsJSON"}
    )


class PasskeyRegistration(Form):
    """What the browser made, and what its owner calls it."""

    credential = fields.Nested(BrowserCredential, required=True)
    label = Text(64, load_default="Passkey", metadata={"example": "My phone"})


@routes.post("/registration/options")
@limited("passkey")
@recently_signed_in
@routes.response(200, PasskeyCreation)
def ask_for_new_passkey(caller: AccessToken) -> dict[str, Any]:
    """Begin to register a passkey that signs in without anything else."""
    public_key = registration.ask(caller, alone=True)
    db.session.commit()
    return {"public_key": public_key, "expires_in": int(LIFETIME.total_seconds())}


@routes.post("/registration/verify")
@limited("passkey")
@recently_signed_in
@routes.arguments(PasskeyRegistration)
@routes.response(201)
@routes.refuses(PasskeyRefused, MalformedCredential, AuthenticatorNotAllowed)
def register_passkey(caller: AccessToken, form: dict[str, Any]) -> dict[str, Any]:
    """Register what the browser made."""
    row = registration.register(caller, form["credential"], form["label"])
    db.session.commit()
    return {"id": str(row.id)}


class RelatedOrigins(Schema):
    """Sites outside the domain of our passkeys that may use them."""

    origins = fields.List(fields.String(), required=True)


@well_known.get("/.well-known/webauthn")
@well_known.response(200, RelatedOrigins)
@well_known.refuses(NotFound)
def related_origins() -> dict[str, list[str]]:
    """Tell browsers where else the passkeys of this domain are used (WebAuthn section 5.11)."""
    origins = relying_party.related_origins()
    if not origins:
        raise NotFound
    return {"origins": origins}
