"""Proving anew who one is, in a session that goes on (step-up, RFC 9470)."""

from typing import Any
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.database.session import writing
from gatehouse.mfa import attempts, step_up_challenge
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.sessions import service as sessions
from gatehouse.sessions.service import Tokens
from gatehouse.tokens.service import AccessToken
from gatehouse.users import password_check
from gatehouse.web.request_context import Visitor

KINDS = {"code": "totp", "credential": "passkey"}
"""What is proved by a form that names no factor."""


def prove_again(caller: AccessToken, form: dict[str, Any], visitor: Visitor) -> Tokens:
    """Note a fresh proof in the caller's session: the password, or any of their factors.

    Raises:
        InvalidCredentials, InvalidCode: nothing was proved.
        TooManyAttempts: after too many of those, here or at another door.
        SessionEnded: the session is over.
    """
    if "password" in form:
        return _by_password(caller, form["password"], visitor)
    return _by_factor(caller, form, visitor)


def _by_password(caller: AccessToken, given: str, visitor: Visitor) -> Tokens:
    user_id = UUID(caller.sub)
    verified = password_check.verify(password_check.look(user_id, visitor), given, visitor)
    with writing():
        try:
            passwords.hold(user_id, verified.stored.chosen_at)
        except WrongPassword:  # changed while it was hashed
            raise InvalidCredentials(user_id=user_id) from None
        return _noted(caller, ("pwd",), visitor)


def _by_factor(caller: AccessToken, form: dict[str, Any], visitor: Visitor) -> Tokens:
    user_id = UUID(caller.sub)
    if "factor_id" not in form:
        named = [kind for proof, kind in KINDS.items() if proof in form]
        form = {"factor": named[0], **form}
    attempts.proof_of(attempts.kind_of(user_id, form), form)
    guess = attempts.count(user_id, visitor)
    with attempts.evaluated(guess, visitor), writing():
        asked = step_up_challenge.take(caller)
        proved = attempts.prove(user_id, form, asked, visitor)
        return _noted(caller, proved.amr, visitor)


def _noted(caller: AccessToken, amr: tuple[str, ...], visitor: Visitor) -> Tokens:
    about = {"user_id": UUID(caller.sub), "session_id": UUID(caller.sid)}
    record(events.Factor.STEPPED_UP, visitor, **about, amr=list(amr))
    return sessions.prove_again(caller, amr, visitor)
