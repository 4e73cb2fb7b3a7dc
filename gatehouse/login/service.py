"""The funnel: every first factor ends in `finish`, the only place where a session is opened."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from gatehouse.accounts import service as accounts
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.defence import devices
from gatehouse.foundation import shelf
from gatehouse.foundation.database import writing
from gatehouse.foundation.visitor import Visitor
from gatehouse.login import gates, risk
from gatehouse.login.method import Method, Proof
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.sessions import service as sessions

METHODS: dict[str, Method] = shelf.load("gatehouse.login.methods", ["password"])


def begin(
    method: str, form: dict[str, Any], visitor: Visitor, replaced: UUID | None = None
) -> sessions.Tokens:
    """Prove by a method, pass the gates, and sign in.

    `replaced` is the session that the browser was in before; it ends.

    Raises:
        InvalidCredentials: nothing was proved.
        TooManyAttempts: after too many of those.
        AccountDisabled, EmailUnverified: a gate stayed shut.
        CaptchaNeeded, LoginRefused: the policy stops a login of this kind.
    """
    return finish(METHODS[method].prove(form, visitor), visitor, replaced)


def finish(proof: Proof, visitor: Visitor, replaced: UUID | None = None) -> sessions.Tokens:
    """Open the session of somebody who has proved who they are, in one write transaction."""
    judged = risk.judge(proof, visitor)
    with writing():
        user = accounts.get(proof.user_id)
        if user is None:  # deleted while the password was hashed
            raise InvalidCredentials
        if proof.password:
            _hold_password(proof, proof.password)
        gates.pass_all(user)
        risk.act(user, judged, visitor)
        if proof.password and proof.fresh:
            _upgrade(user.id, proof.password, proof.fresh, visitor)
        device_token = devices.keep(user.id, visitor)
        opened = sessions.open_session(user, proof.amr, visitor)
        if replaced:
            sessions.end(replaced, "replaced_by_login", visitor)
        about = {"user_id": user.id, "session_id": opened.session_id}
        record(events.Login.SUCCEEDED, visitor, **about, amr=list(proof.amr))
    return replace(opened, device_token=device_token)


def _hold_password(proof: Proof, verified: passwords.Hashed) -> None:
    """Let no session begin with a password that was changed while it was verified."""
    try:
        passwords.hold(proof.user_id, verified)
    except WrongPassword:
        raise InvalidCredentials(user_id=proof.user_id) from None


def _upgrade(
    user_id: UUID, stale: passwords.Hashed, fresh: passwords.Hashed, visitor: Visitor
) -> None:
    if passwords.replace(user_id, stale, fresh):
        record(events.Account.PASSWORD_UPGRADED, visitor, user_id=user_id)
