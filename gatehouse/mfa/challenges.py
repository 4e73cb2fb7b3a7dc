"""Pending logins: they wait for a second factor, or for the enrolment that the policy requires.

The `mfa_token` of a pending login is good for that step only; no session is open before.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import write_transaction
from gatehouse.lockout.service import CountedAttempt
from gatehouse.mfa import first_step, registry, verification
from gatehouse.mfa.factor import CodeUsed, FactorChallenge, SecondFactorResponse, VerifiedFactor
from gatehouse.mfa.first_step import FirstFactorResult
from gatehouse.mfa.registry import EMAIL
from gatehouse.mfa.verification import ChallengeStates
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext
from models import Credential, OneTimeCode

LOGIN = crypto_labels.LOGIN_CHALLENGE
ENROLMENT = crypto_labels.MANDATORY_ENROLMENT
LIFETIME, ENROLMENT_LIFETIME = timedelta(minutes=5), timedelta(minutes=15)
MAX_ATTEMPTS = 5
"""Per `mfa_token`; the account's lockout counters apply across logins."""


class LoginNotPending(CodeUsed):
    """This sign-in is over: it took too long, had too many wrong codes, or was completed."""

    next = "Sign in again."


@dataclass(frozen=True)
class PendingLogin:
    """A login that waits for its second step; not consumed yet."""

    row: OneTimeCode
    mfa_token: str = field(repr=False)
    first_factor: FirstFactorResult
    states: ChallengeStates

    @property
    def user_id(self) -> UUID:
        """The user who authenticated in the first step."""
        return UUID(self.first_factor.user_id)


@dataclass(frozen=True)
class MfaRequired:
    """The response to a first step that needs a second (the schema `MfaChallenge`)."""

    mfa_token: str
    factors: list[dict[str, str]]
    next: str | None = None
    """What the user can do if no enrolled factor is independent of the first step."""
    expires_in: int = int(LIFETIME.total_seconds())
    status: str = "mfa_required"


@dataclass(frozen=True)
class EnrolmentRequired:
    """The response to a first step that needs an enrolment (the schema `MfaEnrolmentRequired`)."""

    mfa_token: str
    kinds: list[str]
    expires_in: int = int(ENROLMENT_LIFETIME.total_seconds())
    status: str = "mfa_enrolment_required"


def start_login(first_factor: FirstFactorResult, context: RequestContext) -> MfaRequired:
    """Store a login that waits for a second factor, in the current transaction."""
    mfa_token = _store(LOGIN, first_factor, LIFETIME, context)
    rows = first_step.eligible_factors(first_factor)
    is_stuck = not any(registry.is_second_factor(row.kind) for row in rows)
    return MfaRequired(
        mfa_token,
        [_serialize_factor(row) for row in rows],
        next=first_step.ways_out(first_factor) if is_stuck else None,
    )


def start_login_with_email(first_factor: FirstFactorResult, context: RequestContext) -> MfaRequired:
    """Store a login that waits for an e-mail OTP, of a user who has enrolled no factor."""
    return start_login(replace(first_factor, email_factor_id=str(crypto.new_id())), context)


def start_enrolment(first_factor: FirstFactorResult, context: RequestContext) -> EnrolmentRequired:
    """Store a login that waits until a factor is enrolled, in the current transaction."""
    mfa_token = _store(ENROLMENT, first_factor, ENROLMENT_LIFETIME, context)
    return EnrolmentRequired(mfa_token, first_step.eligible_kinds(first_factor))


def find_pending(purpose: str, mfa_token: str) -> PendingLogin:
    """Return the pending login, or enrolment, of an `mfa_token`.

    Raises:
        LoginNotPending: it is not pending any more, or was never.
    """
    row = one_time_codes.find_by_token(purpose, mfa_token)
    if row is None or row.attempts >= MAX_ATTEMPTS:
        raise LoginNotPending
    data = one_time_codes.decrypt_data(row)
    first_factor = FirstFactorResult.from_json(data["first"])
    return PendingLogin(row, mfa_token, first_factor, data.get("asked", {}))


def count_login_attempt(pending: PendingLogin, context: RequestContext) -> CountedAttempt:
    """Count an attempt at a pending login, and one of its user, and commit the counts.

    Raises:
        InvalidCode: the login is not pending any more; nothing was counted.
        TooManyAttempts: too many attempts on this account failed; this one is not evaluated.
    """
    one_time_codes.attempt_with_token(pending.row.purpose, pending.mfa_token, MAX_ATTEMPTS)
    with one_time_codes.refund_on_error(pending.row.id):
        return verification.count_factor_attempt(pending.user_id, context)


def consume_pending(pending: PendingLogin) -> None:
    """Consume a pending login, in a write transaction.

    Raises:
        LoginNotPending: it was consumed meanwhile; the attempt is not counted.
    """
    try:
        one_time_codes.consume(pending.row.id)
    except InvalidCode:
        raise LoginNotPending from None


def verify_second_factor(
    pending: PendingLogin, given: SecondFactorResponse, context: RequestContext
) -> VerifiedFactor:
    """Consume the pending login and verify its second factor, in a write transaction.

    Raises:
        InvalidCode: the response is wrong.
        LoginNotPending, CodeUsed: the login or the code was used before; the attempt is not
            counted.
    """
    consume_pending(pending)
    email_factor_id = pending.first_factor.email_factor_id
    eligible = first_step.eligible_factors(pending.first_factor) if email_factor_id else []
    if [str(row.id) for row in eligible] == [email_factor_id]:
        state = pending.states.get(EMAIL, {})
        return verification.verify_response(eligible, given.response, state, context)
    return verification.verify_factor(pending.user_id, given, pending.states, context)


def send_login_challenge(
    mfa_token: str, factor_id: UUID, context: RequestContext
) -> dict[str, object]:
    """Send a factor's code, or return the options that the browser needs for it.

    Raises:
        InvalidCode: the login is no longer pending, or the factor is not eligible in it.
    """
    with write_transaction():
        pending = find_pending(LOGIN, mfa_token)
        eligible = first_step.eligible_factors(pending.first_factor)
        selected = [row for row in eligible if row.id == factor_id]
        user = users.get_user(pending.user_id)
        if user is None or not selected:
            raise InvalidCode
        challenge = registry.get_factor(selected[0].kind).challenge(user, selected, context)
        _save_challenge(pending, selected[0].kind, challenge)
    return challenge.to_response(LIFETIME)


def _store(
    purpose: str, first_factor: FirstFactorResult, lifetime: timedelta, context: RequestContext
) -> str:
    """Store a pending login; return its `mfa_token`."""
    data = {"user_id": first_factor.user_id, "first": first_factor.to_json()}
    data |= {"asked": {}} if purpose == LOGIN else {}
    secrets = one_time_codes.create(purpose, first_factor.user_id, data, lifetime)
    user_id = UUID(first_factor.user_id)
    record(events.Factor.REQUIRED, context, user_id=user_id, amr=first_factor.amr)
    return secrets.token


def _save_challenge(pending: PendingLogin, kind: str, challenge: FactorChallenge) -> None:
    """Store a challenge's state, and extend the login to the lifetime of its code."""
    if challenge.state is None:
        return
    data = one_time_codes.decrypt_data(pending.row)
    data["asked"] = {**pending.states, kind: challenge.state}
    one_time_codes.change_data(pending.row, data)
    if challenge.lifetime:
        expires_at = clock.now() + challenge.lifetime
        pending.row.expires_at = max(pending.row.expires_at, expires_at)


def _serialize_factor(row: Credential) -> dict[str, str]:
    if row.kind == registry.RECOVERY_CODES:
        return {"kind": row.kind}
    return {"id": str(row.id), "kind": row.kind, "label": row.label}
