"""Where the policy wants a second factor of somebody who has none: they set one up, or stay out.

The first step of their login leads to a token with which they can do that and nothing else; no
session is opened before a factor is confirmed.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core.errors import NotFound
from gatehouse.mfa import attempts, credential_store, registry, service
from gatehouse.mfa.errors import FactorNotOffered
from gatehouse.mfa.factor import CodeUsed
from gatehouse.mfa.factors import sms
from gatehouse.mfa.login_challenge import Attempt, FirstStep
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import service as users
from gatehouse.web.request_context import Visitor
from models import Challenge

PURPOSE = "mfa_enrolment"
LIFETIME = timedelta(minutes=15)
GUESSES = 5


@dataclass(frozen=True)
class EnrolmentWanted:
    """The answer to a first step (see the schema `LoginAnswer`)."""

    mfa_token: str
    kinds: list[str]
    expires_in: int = int(LIFETIME.total_seconds())
    status: str = "mfa_enrolment_required"


def ask(first: FirstStep, visitor: Visitor) -> EnrolmentWanted:
    """Let a login wait until a factor is set up, in the current transaction."""
    data = {"user_id": first.user_id, "first": asdict(first)}
    secrets = one_time_codes.create(PURPOSE, first.user_id, data, LIFETIME)
    record(events.Factor.ASKED, visitor, user_id=UUID(first.user_id), amr=first.amr)
    return EnrolmentWanted(secrets.token, _kinds(first))


def enrol(form: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
    """Begin to have the first factor (see `service.enrol`).

    Raises:
        InvalidCode: the login does not wait any more.
        FactorNotOffered: this kind is not enough.
    """
    first = _waiting(form["mfa_token"])[1]
    user_id = UUID(first.user_id)
    if form["kind"] not in _kinds(first):
        raise FactorNotOffered
    _require_none(user_id)
    return service.enrol(user_id, form, visitor)


def count(form: dict[str, Any], visitor: Visitor) -> Attempt:
    """Count a proof of the new factor before it is evaluated, and commit the count.

    Raises:
        InvalidCode: the login does not wait any more; nothing was counted.
        TooManyAttempts: too many were wrong; this one is not evaluated.
    """
    row, first = _waiting(form["mfa_token"])
    user_id = UUID(first.user_id)
    factor = credential_store.own(user_id, form["factor_id"])
    if factor is None or factor.confirmed_at or not registry.is_strong(factor.kind):
        raise NotFound
    proof = attempts.proof_of(factor.kind, form)
    one_time_codes.guess_with_token(PURPOSE, form["mfa_token"], GUESSES)
    with one_time_codes.given_back(row.id):
        guess = attempts.count(user_id, visitor)
    return Attempt(row.id, first, {}, {"factor_id": factor.id, "proof": proof}, guess)


def confirm(attempt: Attempt, visitor: Visitor) -> tuple[tuple[str, ...], list[str]]:
    """Confirm the new factor and use the login up, in a write transaction.

    Returns:
        What was proved (`amr`), and the recovery codes.

    Raises:
        InvalidCode: the proof is wrong, or the login was used before.
    """
    user_id = UUID(attempt.first.user_id)
    try:
        one_time_codes.consume(attempt.challenge_id)
    except InvalidCode:
        raise CodeUsed from None
    _require_none(user_id)
    factor_id, proof = attempt.form["factor_id"], attempt.form["proof"]
    row, codes = service.confirm_row(user_id, factor_id, proof, visitor)
    return registry.piece(row.kind).amr, codes


def _require_none(user_id: UUID) -> None:
    """Return if the person has no strong factor yet: one who has proves it instead.

    Raises:
        CodeUsed: one was set up meanwhile.
    """
    if any(registry.is_strong(row.kind) for row in credential_store.held(user_id)):
        raise CodeUsed


def _kinds(first: FirstStep) -> list[str]:
    """Return the kinds that are enough, and add to what the first step has proved.

    A number is not proved while one signs in: without one there are no texts.
    """
    user = users.get(UUID(first.user_id))
    has_number = user is not None and user.phone_verified_at is not None
    kinds = [kind for kind in registry.strong() if registry.adds(kind, first.amr)]
    return [kind for kind in kinds if has_number or kind != sms.KIND]


def _waiting(mfa_token: str) -> tuple[Challenge, FirstStep]:
    row = one_time_codes.by_token(PURPOSE, mfa_token)
    if row is None or row.attempts >= GUESSES:
        raise InvalidCode
    return row, FirstStep(**one_time_codes.open_data(row)["first"])
