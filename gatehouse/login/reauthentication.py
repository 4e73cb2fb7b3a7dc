"""Reauthentication within a session (step-up, RFC 9470).

A challenge is bound to the session, and consumed by the next reauthentication.
"""

from datetime import timedelta
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto_labels
from gatehouse.core.errors import NotFound
from gatehouse.database.session import write_transaction
from gatehouse.hooks import token_claims
from gatehouse.login.account_checks import PasswordCompromised
from gatehouse.mfa import credential_store, registry, verification
from gatehouse.mfa.factor import SecondFactorResponse
from gatehouse.mfa.forms import ReauthenticationForm
from gatehouse.mfa.verification import ChallengeStates
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.sessions import service as sessions
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.sessions.token_pair import TokenPair
from gatehouse.users import password_check
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext

PURPOSE = crypto_labels.STEP_UP_CHALLENGE
LIFETIME = timedelta(minutes=5)


class ReauthenticationPasswordWrong(InvalidCredentials):
    """The password is wrong."""


def send_challenge(
    caller: SessionRef, factor_id: UUID, context: RequestContext
) -> dict[str, object]:
    """Issue a challenge for a factor of the caller; it replaces the session's previous one.

    Raises:
        NotFound: the caller has no such factor.
    """
    user_id = UUID(caller.sub)
    with write_transaction():
        user = users.get_user(user_id)
        selected = [row for row in credential_store.list_confirmed(user_id) if row.id == factor_id]
        if user is None or not selected:
            raise NotFound
        challenge = registry.get_factor(selected[0].kind).challenge(user, selected, context)
        if challenge.state is not None:
            one_time_codes.delete_for_subject(PURPOSE, caller.sid)
            data = {"kind": selected[0].kind, "kept": challenge.state}
            one_time_codes.create(PURPOSE, caller.sid, data, challenge.lifetime or LIFETIME)
    return challenge.to_response(LIFETIME)


def reauthenticate(
    caller: SessionRef, form: ReauthenticationForm, context: RequestContext
) -> TokenPair:
    """Authenticate the caller again, with the password or any of their factors.

    The session records the authentication and its time; the returned tokens carry them.

    Raises:
        ReauthenticationPasswordWrong, InvalidCode: the password, or the factor's response, is
            wrong.
        TooManyAttempts: too many attempts on this account failed, here or elsewhere.
        PasswordCompromised: the password is correct, and flagged as compromised.
        SessionEnded: the session has ended.
    """
    token_claims.load_claims(UUID(caller.sub), context)
    if form.password is not None:
        return _with_password(caller, form.password, context)
    return _with_factor(caller, form.given, context)


def _with_password(caller: SessionRef, password: str, context: RequestContext) -> TokenPair:
    user_id = UUID(caller.sub)
    target = password_check.find_by_id(user_id, context)
    verified = password_check.verify_password(
        target, password, context, ReauthenticationPasswordWrong
    )
    with write_transaction():
        try:
            is_flagged = passwords.lock_and_check_unchanged(user_id, verified.stored.changed_at)
        except WrongPassword:  # changed while it was hashed
            raise ReauthenticationPasswordWrong(user_id=user_id) from None
        if is_flagged:
            raise PasswordCompromised(user_id=user_id)
        return _record_reauthentication(caller, ("pwd",), context)


def _with_factor(
    caller: SessionRef, given: SecondFactorResponse, context: RequestContext
) -> TokenPair:
    user_id = UUID(caller.sub)
    given = verification.select_factor(credential_store.list_confirmed(user_id), given)
    counted = verification.count_factor_attempt(user_id, context)
    with verification.settle_factor_attempt(counted, context), write_transaction():
        states = _consume_challenge(caller)
        verified = verification.verify_factor(user_id, given, states, context)
        return _record_reauthentication(caller, verified.amr, context)


def _consume_challenge(caller: SessionRef) -> ChallengeStates:
    """Consume the session's pending challenge, in a write transaction; return its state by kind."""
    states = {}
    for code_id in one_time_codes.lock_for_subject(PURPOSE, caller.sid):
        row = one_time_codes.find_by_id(PURPOSE, code_id)
        if row:
            data = one_time_codes.decrypt_data(row)
            states[data["kind"]] = data["kept"]
            one_time_codes.consume(code_id)
    return states


def _record_reauthentication(
    caller: SessionRef, amr: tuple[str, ...], context: RequestContext
) -> TokenPair:
    user_id, session_id = UUID(caller.sub), UUID(caller.sid)
    record(events.Factor.STEPPED_UP, context, user_id=user_id, session_id=session_id, amr=list(amr))
    return sessions.reauthenticate(caller, amr, context)
