"""Enrolment within a login, where the policy requires a second factor and the user has none.

The first step of the login returns a token that is good for enrolment only; no session is opened
before a factor is confirmed.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto_labels
from gatehouse.core.errors import NotFound
from gatehouse.mfa import attempts, credential_store, registry, service
from gatehouse.mfa.errors import FactorUnavailable
from gatehouse.mfa.factor import CodeUsed
from gatehouse.mfa.factors import sms
from gatehouse.mfa.login_challenge import FirstFactorResult, SecondFactorAttempt
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode

PURPOSE = crypto_labels.MANDATORY_ENROLMENT
LIFETIME = timedelta(minutes=15)
MAX_ATTEMPTS = 5


@dataclass(frozen=True)
class EnrolmentRequired:
    """The response to a first step that needs an enrolment (the schema `LoginResponse`)."""

    mfa_token: str
    kinds: list[str]
    expires_in: int = int(LIFETIME.total_seconds())
    status: str = "mfa_enrolment_required"


def start(first_factor: FirstFactorResult, context: RequestContext) -> EnrolmentRequired:
    """Store a login that waits until a factor is enrolled, in the current transaction."""
    data = {"user_id": first_factor.user_id, "first": first_factor.to_json()}
    secrets = one_time_codes.create(PURPOSE, first_factor.user_id, data, LIFETIME)
    record(
        events.Factor.REQUIRED, context, user_id=UUID(first_factor.user_id), amr=first_factor.amr
    )
    return EnrolmentRequired(secrets.token, _eligible_kinds(first_factor))


def enrol_factor(form: dict[str, Any], context: RequestContext) -> dict[str, Any]:
    """Start enrolling the first factor (see `service.enrol_factor`).

    Raises:
        InvalidCode: the login is no longer pending.
        FactorUnavailable: a factor of this kind does not satisfy the policy.
    """
    first_factor = _load_pending(form["mfa_token"])[1]
    user_id = UUID(first_factor.user_id)
    if form["kind"] not in _eligible_kinds(first_factor):
        raise FactorUnavailable
    _require_no_strong_factor(user_id)
    return service.enrol_factor(user_id, form, context)


def count_attempt(form: dict[str, Any], context: RequestContext) -> SecondFactorAttempt:
    """Count an attempt to confirm the new factor, and commit the count.

    Raises:
        InvalidCode: the login is no longer pending; nothing was counted.
        NotFound: the user has no such unconfirmed factor.
        TooManyAttempts: too many attempts failed; this one is not evaluated.
    """
    row, first_factor = _load_pending(form["mfa_token"])
    user_id = UUID(first_factor.user_id)
    factor = credential_store.lock_credential(user_id, form["factor_id"])
    if factor is None or factor.confirmed_at or not registry.is_strong(factor.kind):
        raise NotFound
    response = attempts.load_response(factor.kind, form)
    one_time_codes.attempt_with_token(PURPOSE, form["mfa_token"], MAX_ATTEMPTS)
    with one_time_codes.refund_on_error(row.id):
        counted_attempt = attempts.count_attempt(user_id, context)
    confirmation = {"factor_id": factor.id, "response": response}
    return SecondFactorAttempt(row.id, first_factor, {}, confirmation, counted_attempt)


def confirm_factor(
    attempt: SecondFactorAttempt, context: RequestContext
) -> tuple[tuple[str, ...], list[str]]:
    """Consume the pending login and confirm the new factor, in a write transaction.

    Returns:
        The `amr` of the factor, and the recovery codes.

    Raises:
        InvalidCode: the response is wrong, or the login was used before.
    """
    user_id = UUID(attempt.first_factor.user_id)
    try:
        one_time_codes.consume(attempt.challenge_id)
    except InvalidCode:
        raise CodeUsed from None
    _require_no_strong_factor(user_id)
    factor_id, response = attempt.form["factor_id"], attempt.form["response"]
    row, codes = service.confirm_credential(user_id, factor_id, response, context)
    return registry.get_factor(row.kind).amr, codes


def _require_no_strong_factor(user_id: UUID) -> None:
    """Check that the user still has no strong factor; with one, the login must verify it.

    Raises:
        CodeUsed: a strong factor was enrolled meanwhile.
    """
    if any(registry.is_strong(row.kind) for row in credential_store.list_confirmed(user_id)):
        raise CodeUsed


def _eligible_kinds(first_factor: FirstFactorResult) -> list[str]:
    """Return the strong kinds that are independent of the first factor.

    SMS is left out without a verified number, because numbers are not verified during a login.
    """
    user = users.get_user(UUID(first_factor.user_id))
    has_number = user is not None and user.phone_verified_at is not None
    kinds = [
        kind for kind in registry.strong_kinds() if registry.is_independent(kind, first_factor.amr)
    ]
    return [kind for kind in kinds if has_number or kind != sms.KIND]


def _load_pending(mfa_token: str) -> tuple[OneTimeCode, FirstFactorResult]:
    row = one_time_codes.find_by_token(PURPOSE, mfa_token)
    if row is None or row.attempts >= MAX_ATTEMPTS:
        raise InvalidCode
    return row, FirstFactorResult.from_json(one_time_codes.decrypt_data(row)["first"])
