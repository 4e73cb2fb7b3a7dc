"""Verification of a factor's response, with attempts counted per account.

Login, step-up, MFA recovery and enrolment use the same functions. Attempts are counted over all
factors, logins and devices; only evaluated ones stay counted. The lockout keeps them in counters of
their own kind, which a verified factor resets and a correct password does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from uuid import UUID

from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.core.errors import ValidationFailed
from gatehouse.devices import service as devices
from gatehouse.lockout import service as lockout
from gatehouse.lockout.backoff import FACTOR
from gatehouse.lockout.service import CountedAttempt
from gatehouse.mfa import credential_store, registry
from gatehouse.mfa.errors import FactorVerificationFailed
from gatehouse.mfa.factor import (
    ChallengeState,
    CodeUsed,
    Factor,
    FactorResponse,
    SecondFactorResponse,
    VerifiedFactor,
)
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import notifications
from gatehouse.web.fields import format_field_errors
from gatehouse.web.request_context import RequestContext
from models import Credential

ChallengeStates = Mapping[str, ChallengeState]
"""The state that each plugin stored with its challenge, by kind."""


def select_factor(
    candidates: Sequence[Credential], given: SecondFactorResponse
) -> SecondFactorResponse:
    """Return the response with the kind of its factor, which must be one of the candidates.

    Raises:
        InvalidCode: no candidate has this id or kind.
        FactorUnavailable: the kind is unknown or not enabled.
        ValidationFailed: a factor of this kind needs another response.
    """
    kinds = {row.id: row.kind for row in candidates}
    kind = kinds.get(given.factor_id, "") if given.factor_id else given.kind
    if not kind:
        raise InvalidCode
    require_response_of(kind, given.response)
    if kind not in kinds.values():
        raise InvalidCode
    return replace(given, kind=kind)


def require_response_of(kind: str, response: FactorResponse) -> None:
    """Check that a response is one of this kind of factor.

    Raises:
        FactorUnavailable: the kind is unknown or not enabled.
        ValidationFailed: it lacks a member, or has another one.
    """
    errors = registry.get_factor(kind).schema().validate(response.members())
    if errors:
        raise ValidationFailed(format_field_errors(errors))


def count_factor_attempt(user_id: UUID, context: RequestContext) -> CountedAttempt:
    """Count an attempt before it is evaluated, and commit the count.

    Raises:
        TooManyAttempts: too many attempts failed; this one must not be evaluated.
    """
    device = devices.find_device(user_id, context)
    return lockout.count_attempt(user_id, device.id if device else None, context, FACTOR)


@contextmanager
def settle_factor_attempt(
    counted: CountedAttempt, context: RequestContext, at_login: bool = False
) -> Iterator[None]:
    """Settle a counted attempt by how the block ends.

    Success resets the counters; `InvalidCode` leaves the attempt counted; any other error withdraws
    it, because it was not evaluated. A failure `at_login` from an unknown device notifies the user:
    the first factor was correct.

    Raises:
        FactorVerificationFailed: the block raised `InvalidCode`.
    """
    try:
        yield
        lockout.reset_in_transaction(counted)
    except CodeUsed:
        lockout.withdraw_attempt(counted)
        raise
    except InvalidCode as cause:
        error = FactorVerificationFailed(str(cause), user_id=counted.user_id)
        error.next = cause.next
        error.on_rollback = partial(_record_failure, cause, counted, context, at_login)
        raise error from None
    except BaseException:
        lockout.withdraw_attempt(counted)
        raise


def verify_factor(
    user_id: UUID, given: SecondFactorResponse, states: ChallengeStates, context: RequestContext
) -> VerifiedFactor:
    """Lock the user's factors of this kind, and verify the response against them.

    Runs in a write transaction.

    Raises:
        InvalidCode: the response matches no factor.
        CodeUsed: the response was used before, or the user has no such factor any more.
    """
    enrolled = credential_store.lock_confirmed(user_id, given.kind)
    selected = [row for row in enrolled if given.factor_id in (None, row.id)]
    if not selected:
        raise CodeUsed
    return verify_response(selected, given.response, states.get(given.kind, {}), context)


def verify_response(
    factors: Sequence[Credential],
    response: FactorResponse,
    state: ChallengeState,
    context: RequestContext,
) -> VerifiedFactor:
    """Verify a response against locked factors of one kind, or an unconfirmed factor's first one.

    Raises:
        InvalidCode: the response matches none of them.
        CodeUsed: it was used before.
    """
    plugin = registry.get_factor(factors[0].kind)
    with _advise_after_failure(plugin):
        if factors[0].confirmed_at is None:
            plugin.confirm(factors[0], response)
            return VerifiedFactor(factors[0], plugin.amr)
        verified = plugin.verify(factors, response, state, context)
    verified.credential.last_used_at = clock.now()
    return verified


@contextmanager
def _advise_after_failure(plugin: Factor) -> Iterator[None]:
    """Let an `InvalidCode` say what users of this kind of factor can do."""
    try:
        yield
    except InvalidCode as error:
        error.next = plugin.next_after_failure or error.next
        raise


def _record_failure(
    error: InvalidCode, counted: CountedAttempt, context: RequestContext, at_login: bool
) -> None:
    """Notify the user of a failed attempt, and record the plugin's own audit event, if any."""
    notifications.on_failed_attempt(counted, context)
    if at_login and counted.user_id and not counted.device_id:
        notifications.notify_failed_attempts(counted.user_id, context)
    if error.event:
        details = {"user_id": counted.user_id} | error.event_data
        record(error.event, context, **details, code=error.code)
