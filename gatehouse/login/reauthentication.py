"""Reauthentication within a session (step-up, RFC 9470)."""

from typing import Any
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.database.session import write_transaction
from gatehouse.mfa import attempts, step_up_challenge
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.sessions import service as sessions
from gatehouse.sessions.service import TokenPair
from gatehouse.tokens.service import AccessToken
from gatehouse.users import password_check
from gatehouse.web.request_context import RequestContext

FACTOR_BY_FIELD = {"code": "totp", "credential": "passkey"}
"""The factor kind that each response field implies when the form names no factor."""


def reauthenticate(caller: AccessToken, form: dict[str, Any], context: RequestContext) -> TokenPair:
    """Authenticate the caller again, with the password or any of their factors.

    The session records the authentication and its time; the returned tokens carry them.

    Raises:
        InvalidCredentials, InvalidCode: the password, or the factor's response, is wrong.
        TooManyAttempts: too many attempts on this account failed, here or elsewhere.
        SessionEnded: the session has ended.
    """
    if "password" in form:
        return _with_password(caller, form["password"], context)
    return _with_factor(caller, form, context)


def _with_password(
    caller: AccessToken, current_password: str, context: RequestContext
) -> TokenPair:
    user_id = UUID(caller.sub)
    verified = password_check.verify_password(
        password_check.find_by_id(user_id, context), current_password, context
    )
    with write_transaction():
        try:
            passwords.lock_and_check_unchanged(user_id, verified.stored.changed_at)
        except WrongPassword:  # changed while it was hashed
            raise InvalidCredentials(user_id=user_id) from None
        return _record_reauthentication(caller, ("pwd",), context)


def _with_factor(caller: AccessToken, form: dict[str, Any], context: RequestContext) -> TokenPair:
    user_id = UUID(caller.sub)
    if "factor_id" not in form:
        kinds = [kind for field, kind in FACTOR_BY_FIELD.items() if field in form]
        form = {"factor": kinds[0], **form}
    attempts.load_response(attempts.resolve_kind(user_id, form), form)
    counted_attempt = attempts.count_attempt(user_id, context)
    with attempts.attempt(counted_attempt, context), write_transaction():
        states = step_up_challenge.consume(caller)
        verified = attempts.verify_factor(user_id, form, states, context)
        return _record_reauthentication(caller, verified.amr, context)


def _record_reauthentication(
    caller: AccessToken, amr: tuple[str, ...], context: RequestContext
) -> TokenPair:
    about = {"user_id": UUID(caller.sub), "session_id": UUID(caller.sid)}
    record(events.Factor.STEPPED_UP, context, **about, amr=list(amr))
    return sessions.reauthenticate(caller, amr, context)
