"""The door of the room: the second step of a login, proving anew who one is, and passkeys."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.core.errors import NotFound
from gatehouse.database.session import db, writing
from gatehouse.lockout.service import TooManyAttempts
from gatehouse.login import reauthentication
from gatehouse.login import service as login
from gatehouse.login.account_checks import AccountDisabled, EmailUnverified
from gatehouse.login.methods import passkey
from gatehouse.mfa import forms, login_challenge, mandatory_enrolment, step_up_challenge
from gatehouse.mfa.errors import FactorNotOffered, PhoneUnproven
from gatehouse.mfa.webauthn import relying_party
from gatehouse.mfa.webauthn.errors import MalformedCredential, PasskeyRefused
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.sessions.errors import SessionEnded
from gatehouse.sessions.guards import signed_in
from gatehouse.sessions.token_response import BODY, COOKIE, hand_over, replaced_by
from gatehouse.tokens.service import AccessToken
from gatehouse.web import cookies
from gatehouse.web.idempotency import idempotent
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import limited
from gatehouse.web.request_context import visitor
from schemas import EnrolledAnswer, LoginAnswer, TokenAnswer

routes = Blueprint("second_step", __name__, url_prefix="/auth", description="The second step")
passkeys = Blueprint("passkeys", __name__, url_prefix="/auth/passkeys", description="Passkeys")
related = Blueprint("related_origins", __name__, description="Passkeys")


class Asked(Schema):
    """A factor was asked for."""

    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    public_key = fields.Dict(metadata={"description": "passkey, for `navigator.credentials`"})


class Begun(Schema):
    """A factor that has to be confirmed, with what is needed to set it up."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    kind = fields.String(required=True)
    label = fields.String(required=True)
    confirmed = fields.Boolean(required=True)
    secret = fields.String()
    uri = fields.String()
    qr_svg = fields.String()
    public_key = fields.Dict()
    risk = fields.String()
    alternatives = fields.List(fields.String())


@routes.post("/login/mfa/challenge")
@limited("factor")
@routes.arguments(forms.Challenge)
@idempotent()
@routes.response(200, Asked)
@routes.refuses(InvalidCode)
def ask_for_factor(form: dict[str, Any]) -> dict[str, Any]:
    """Have a factor asked for: its message sent, or the options of a passkey."""
    return login_challenge.challenge(form["mfa_token"], form["factor_id"], visitor())


@routes.post("/login/mfa")
@limited("factor")
@routes.arguments(forms.SecondStep)
@routes.response(200, LoginAnswer)
@routes.refuses(InvalidCode, TooManyAttempts, AccountDisabled, EmailUnverified, FactorNotOffered)
def prove_factor(form: dict[str, Any]) -> Any:
    """Finish a login with a second factor."""
    tokens, by = login.second_step(form, visitor())
    db.session.commit()
    return hand_over(tokens, by, visitor())


@routes.post("/login/mfa/enrolment")
@limited("factor")
@routes.arguments(forms.EnrolmentAtLogin)
@routes.response(201, Begun)
@routes.refuses(InvalidCode, FactorNotOffered, PhoneUnproven)
def enrol_at_login(form: dict[str, Any]) -> dict[str, Any]:
    """Begin to have the factor without which one may not sign in."""
    enrolled = mandatory_enrolment.enrol(form, visitor())
    db.session.commit()
    return enrolled


@routes.post("/login/mfa/enrolment/confirm")
@limited("factor")
@routes.arguments(forms.ConfirmationAtLogin)
@routes.response(200, EnrolledAnswer)
@routes.refuses(InvalidCode, TooManyAttempts, AccountDisabled, EmailUnverified, NotFound)
def confirm_at_login(form: dict[str, Any]) -> Any:
    """Confirm that factor, and finish the login."""
    tokens, by, codes = login.enrol(form, visitor())
    db.session.commit()
    handed = hand_over(tokens, by, visitor())
    body, headers = handed if isinstance(handed, tuple) else (handed, [])
    told = body if isinstance(body, dict) else asdict(body)
    return told | {"recovery_codes": codes}, headers


@routes.post("/reauthenticate/challenge")
@limited("factor")
@signed_in
@routes.arguments(forms.Question)
@idempotent()
@routes.response(200, Asked)
@routes.refuses(NotFound)
def ask_again(caller: AccessToken, form: dict[str, Any]) -> dict[str, Any]:
    """Have one of my factors asked for, to prove anew who I am."""
    factor_id: UUID = form["factor_id"]
    return step_up_challenge.ask(caller, factor_id, visitor())


@routes.post("/reauthenticate")
@limited("login")
@signed_in
@routes.arguments(forms.Reauthentication)
@routes.response(200, TokenAnswer)
@routes.refuses(InvalidCredentials, InvalidCode, TooManyAttempts, SessionEnded)
def reauthenticate(caller: AccessToken, form: dict[str, Any]) -> Any:
    """Prove anew who I am, with the password or a factor; the session goes on."""
    tokens = reauthentication.prove_again(caller, form, visitor())
    db.session.commit()
    return hand_over(tokens, BODY if cookies.has_bearer() else COOKIE, visitor())


class PasskeyRequest(Schema):
    """What to hand to `navigator.credentials.get()`, and what to send back with its answer."""

    login_token = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    public_key = fields.Dict(
        required=True, metadata={"description": "PublicKeyCredentialRequestOptionsJSON"}
    )


@passkeys.post("/authentication/options")
@limited("passkey")
@passkeys.response(200, PasskeyRequest)
@passkeys.refuses(FactorNotOffered)
def ask_for_passkey() -> dict[str, Any]:
    """Begin to sign in with a passkey; nobody is named, so the options are alike for everybody."""
    with writing():
        asked = passkey.piece.ask()
    db.session.commit()
    return asked


@passkeys.post("/authentication/verify")
@limited("passkey")
@passkeys.arguments(passkey.PasskeyLogin)
@passkeys.response(200, LoginAnswer)
@passkeys.refuses(PasskeyRefused, MalformedCredential, FactorNotOffered)
@passkeys.refuses(AccountDisabled, EmailUnverified)
def log_in_with_passkey(form: dict[str, Any]) -> Any:
    """Sign in with what the passkey answered."""
    by = form["transport"]
    tokens = login.begin("passkey", form, visitor(), replaced_by(by))
    db.session.commit()
    return hand_over(tokens, by, visitor())


class RelatedOrigins(Schema):
    """Sites outside the domain of our passkeys that may use them."""

    origins = fields.List(fields.String(), required=True)


@related.get("/.well-known/webauthn")
@related.response(200, RelatedOrigins)
@related.refuses(NotFound)
def related_origins() -> dict[str, list[str]]:
    """Tell browsers where else the passkeys of this domain are used (WebAuthn section 5.11)."""
    origins = relying_party.related_origins()
    if not origins:
        raise NotFound
    return {"origins": origins}
