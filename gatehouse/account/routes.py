"""The door of the room: my password, my addresses, and the way back to my account."""

from typing import Any

from marshmallow import fields

from gatehouse.account import (
    email_change,
    email_change_revert,
    forms,
    mfa_recovery,
    password_change,
    password_reset,
    phone_number,
    registration,
)
from gatehouse.account.errors import (
    LossPasswordWrong,
    LossUnproved,
    PhoneProofFailed,
    ProofsNotIndependent,
    RecoveryFailed,
    UndoFailed,
)
from gatehouse.account.password_change import CurrentPasswordWrong
from gatehouse.captcha import service as captcha
from gatehouse.captcha.service import CaptchaRequired
from gatehouse.database.session import db
from gatehouse.lockout.service import TooManyAttempts
from gatehouse.mfa import service as mfa
from gatehouse.mfa.errors import FactorNotOffered, FactorWrong
from gatehouse.sessions.guards import recently_signed_in, signed_in
from gatehouse.tokens.service import AccessToken
from gatehouse.web.idempotency import idempotent
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import limited
from gatehouse.web.request_context import visitor
from schemas import Moment, Status

routes = Blueprint("selfservice", __name__, url_prefix="/auth", description="My account")
SENT = {"status": "sent"}
"""Whether or not anything was."""


@routes.post("/password/change")
@limited("login")
@signed_in
@routes.arguments(forms.PasswordChange)
@routes.response(204)
@routes.refuses(CurrentPasswordWrong, TooManyAttempts)
def change_password(caller: AccessToken, form: dict[str, Any]) -> None:
    """Change my password; my other sessions end."""
    password_change.change(caller, form["current_password"], form["password"], visitor())
    db.session.commit()


@routes.post("/password/forgot")
@limited("forgot")
@routes.arguments(forms.Forgot)
@idempotent()
@routes.response(202, Status)
@routes.refuses(CaptchaRequired)
def forget_password(form: dict[str, Any]) -> dict[str, str]:
    """Ask for a code to choose a new password with, by `email`, or by `phone` if it was proved.

    The answer is the same whether or not there is an account.
    """
    captcha.require("forgot", form.get("captcha"), visitor())
    password_reset.ask(form, visitor())
    return SENT


@routes.post("/password/reset")
@limited("reset")
@routes.arguments(forms.Reset)
@routes.response(204)
@routes.refuses(RecoveryFailed, TooManyAttempts)
def reset_password(form: dict[str, Any]) -> None:
    """Choose a new password, with `token`, or with `code` and where it was sent to.

    Every session ends, nobody is signed in, and second factors stay.
    """
    password_reset.reset(form, visitor())
    db.session.commit()


@routes.post("/email/resend")
@limited("resend")
@routes.arguments(forms.Resend)
@idempotent()
@routes.response(202, Status)
def resend_email(form: dict[str, Any]) -> dict[str, str]:
    """Ask for a registration's mail once more; the code before it is void."""
    registration.resend(form["email"], visitor())
    return SENT


@routes.post("/email/change")
@limited("change")
@recently_signed_in
@routes.arguments(forms.EmailChange)
@routes.response(202, Status)
def change_email(caller: AccessToken, form: dict[str, Any]) -> dict[str, str]:
    """Ask for another e-mail address; it is mine once I prove it at /auth/email/verify.

    The old address is told, and can undo the change for 72 hours.
    """
    mfa.require_highest(caller)
    email_change.ask(caller, form["email"], visitor())
    db.session.commit()
    return SENT


@routes.post("/email/undo")
@limited("verify")
@routes.arguments(forms.EmailUndo)
@routes.response(204)
@routes.refuses(UndoFailed)
def undo_email_change(form: dict[str, Any]) -> None:
    """Take my account back with the link that my old address got.

    Every session ends and the password opens nothing any more: then I choose a new one.
    """
    email_change_revert.take_back(form["token"], visitor())
    db.session.commit()


@routes.post("/phone")
@limited("change")
@recently_signed_in
@routes.arguments(forms.Phone)
@routes.response(202, Status)
def change_phone(caller: AccessToken, form: dict[str, Any]) -> dict[str, str]:
    """Ask for a code by SMS, to prove a number."""
    mfa.require_highest(caller)
    phone_number.ask(caller, form["phone"], visitor())
    db.session.commit()
    return SENT


@routes.post("/phone/verify")
@limited("verify")
@recently_signed_in
@routes.arguments(forms.PhoneProof)
@routes.response(200, Status)
@routes.refuses(PhoneProofFailed, TooManyAttempts)
def verify_phone(caller: AccessToken, form: dict[str, Any]) -> dict[str, str]:
    """Prove a number with the code that was texted to it; my old number is told."""
    mfa.require_highest(caller)
    phone_number.prove(caller, form["phone"], form["code"], visitor())
    db.session.commit()
    return {"status": "verified"}


@routes.delete("/phone")
@limited("change")
@recently_signed_in
@routes.response(204)
def remove_phone(caller: AccessToken) -> None:
    """Take my number away."""
    mfa.require_highest(caller)
    phone_number.remove(caller, visitor())
    db.session.commit()


class RecoveryAsked(Status):
    """A code was asked for; it works together with this token alone."""

    recovery_token = fields.String(required=True)


class ResetAnnounced(Status):
    """All second factors go, unless the owner stops that."""

    due_at = Moment(required=True, metadata={"type": "string", "format": "date-time"})


@routes.post("/mfa/recovery")
@limited("forgot")
@routes.arguments(forms.LostFactor)
@idempotent("recovery_token")
@routes.response(202, RecoveryAsked)
@routes.refuses(CaptchaRequired)
def ask_for_recovery(form: dict[str, Any]) -> dict[str, str]:
    """Ask for a code because a second factor was lost; known or not, the answer is the same."""
    captcha.require("forgot", form.get("captcha"), visitor())
    return SENT | {"recovery_token": mfa_recovery.ask(form, visitor())}


@routes.post("/mfa/recovery/verify")
@limited("login")
@routes.arguments(forms.LossProof)
@routes.response(200, ResetAnnounced)
@routes.refuses(LossUnproved, LossPasswordWrong, FactorWrong, FactorNotOffered)
@routes.refuses(ProofsNotIndependent, TooManyAttempts)
def prove_loss(form: dict[str, Any]) -> dict[str, Any]:
    """Have all my second factors reset, with that code and my password or a recovery code.

    Every address of the account is told, and can stop it until then. Nobody is signed in.
    """
    due_at = mfa_recovery.prove(form, visitor())
    db.session.commit()
    return {"status": "announced", "due_at": due_at}
