"""Attempts at second factors, counted per account over all factors, logins and devices.

Only evaluated attempts stay counted. The lockout keeps them in counters of their own kind, which a
verified factor resets and a correct password does not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from marshmallow import ValidationError

from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.core.errors import ValidationFailed
from gatehouse.devices import service as devices
from gatehouse.lockout import service as lockout
from gatehouse.lockout.backoff import FACTOR
from gatehouse.mfa import credential_store, registry
from gatehouse.mfa.errors import FactorVerificationFailed
from gatehouse.mfa.factor import CodeUsed, FactorResponse, VerifiedFactor
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import notifications
from gatehouse.web.fields import format_field_errors
from gatehouse.web.request_context import RequestContext

RESPONSE_FIELDS = ("code", "credential")
"""Form fields that can hold a factor's response; its plugin's schema says which it needs."""


def load_response(kind: str, form: dict[str, Any]) -> FactorResponse:
    """Load the response fields of a form with the schema of a factor kind.

    Raises:
        ValidationFailed: the response is missing or malformed.
        FactorUnavailable: the kind is unknown or not enabled.
    """
    schema = registry.get_factor(kind).schema()
    given: dict[str, Any] = {name: form[name] for name in RESPONSE_FIELDS if name in form}
    try:
        response: FactorResponse = schema.load(given)
    except ValidationError as error:
        raise ValidationFailed(format_field_errors(error.messages)) from None
    return response


def resolve_kind(user_id: UUID, form: dict[str, Any]) -> str:
    """Return the factor kind that a form gives as `factor`, or by a `factor_id`.

    Raises:
        InvalidCode: the user has no confirmed factor with this id.
    """
    if "factor_id" not in form:
        return str(form["factor"])
    for row in credential_store.list_confirmed(user_id):
        if row.id == form["factor_id"]:
            return row.kind
    raise InvalidCode


def count_attempt(user_id: UUID, context: RequestContext) -> lockout.CountedAttempt:
    """Count an attempt before it is evaluated, and commit the count.

    Raises:
        TooManyAttempts: too many attempts failed; this one must not be evaluated.
    """
    device = devices.find_device(user_id, context)
    return lockout.count_attempt(user_id, device.id if device else None, context, FACTOR)


@contextmanager
def attempt(
    counted_attempt: lockout.CountedAttempt, context: RequestContext, at_login: bool = False
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
        lockout.reset_in_transaction(counted_attempt)
    except CodeUsed:
        lockout.withdraw_attempt(counted_attempt)
        raise
    except InvalidCode as cause:
        error = FactorVerificationFailed(user_id=counted_attempt.user_id)
        error.on_rollback = partial(_record_failure, cause, counted_attempt, context, at_login)
        raise error from None
    except BaseException:
        lockout.withdraw_attempt(counted_attempt)
        raise


def verify_factor(
    user_id: UUID, form: dict[str, Any], states: dict[str, Any], context: RequestContext
) -> VerifiedFactor:
    """Verify the response in a form, lock the factor's rows, and return the matching factor.

    Runs in a write transaction. `states` holds, by kind, the state that each plugin stored with its
    challenge.

    Raises:
        InvalidCode: the response matches no factor.
        CodeUsed: the response was used before, or the user has no such factor any more.
    """
    kind = resolve_kind(user_id, form)
    enrolled = credential_store.lock_confirmed(user_id, kind)
    selected = [row for row in enrolled if form.get("factor_id", row.id) == row.id]
    if not selected:
        raise CodeUsed
    response = load_response(kind, form)
    verified = registry.get_factor(kind).verify(selected, response, states.get(kind, {}), context)
    verified.credential.last_used_at = clock.now()
    return verified


def _record_failure(
    error: InvalidCode,
    counted_attempt: lockout.CountedAttempt,
    context: RequestContext,
    at_login: bool,
) -> None:
    """Notify the user of a failed attempt, and record the plugin's own audit event, if any."""
    notifications.on_failed_attempt(counted_attempt, context)
    if at_login and counted_attempt.user_id and not counted_attempt.device_id:
        notifications.notify_failed_attempts(counted_attempt.user_id, context)
    if error.event:
        details = {"user_id": counted_attempt.user_id} | error.event_data
        record(error.event, context, **details, code=error.code)
