"""Logins that wait for a second factor: their `mfa_token` is good for that step only."""

from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.authorization import roles
from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import db, write_transaction
from gatehouse.lockout.service import CountedAttempt
from gatehouse.mfa import attempts, credential_store, email_fallback, registry
from gatehouse.mfa.factor import CodeUsed, FactorChallenge, VerifiedFactor
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.sessions import assurance
from gatehouse.users import service as users
from gatehouse.users.service import UserWithProfile
from gatehouse.web.request_context import RequestContext
from models import Credential, OneTimeCode, User

PURPOSE = crypto_labels.LOGIN_CHALLENGE
LIFETIME = timedelta(minutes=5)
_has_enrolled_factor = (
    select(Credential.id)
    .where(Credential.user_id == User.id, Credential.confirmed_at.is_not(None))
    .where(Credential.kind.in_(bindparam("kinds", expanding=True)))
    .exists()
)
SELECT_USER = select(User, roles.assigned_roles(User.id), _has_enrolled_factor).where(
    User.id == bindparam("user_id")
)
MAX_ATTEMPTS = 5
"""Per `mfa_token`; the account's lockout counters apply across logins."""


STORED_NAMES = {
    "replaced_session_id": "replaced",
    "password_set_at": "password",
    "email_factor_id": "mailed",
}
"""JSON keys of stored logins, where they differ from the field's name.

They never change, so that an upgrade, or two versions side by side, keeps pending logins working.
"""


@dataclass(frozen=True)
class FirstFactorResult:
    """Result of the first step of a login, stored while the second is pending; JSON values."""

    user_id: str
    amr: list[str]
    transport: str
    replaced_session_id: str | None = None
    """The browser's previous session; ended when this login completes."""
    password_set_at: str | None = None
    """When the verified password was set; the login is void once the password changes."""
    email_factor_id: str | None = None
    """Factor id of the e-mail OTP that is offered to a user who has enrolled no factor."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as it is stored (see `STORED_NAMES`)."""
        return {STORED_NAMES.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "FirstFactorResult":
        """Return the result that `to_json`, or an older version, wrote."""
        names = {STORED_NAMES.get(field.name, field.name): field.name for field in fields(cls)}
        return cls(**{names[key]: value for key, value in data.items()})


@dataclass(frozen=True)
class MfaRequired:
    """The response to a first step that needs a second (the schema `LoginResponse`)."""

    mfa_token: str
    factors: list[dict[str, Any]]
    expires_in: int = int(LIFETIME.total_seconds())
    status: str = "mfa_required"


@dataclass(frozen=True)
class SecondFactorAttempt:
    """A second step that was counted as an attempt and is not evaluated yet."""

    challenge_id: UUID
    first_factor: FirstFactorResult
    states: dict[str, Any]
    form: dict[str, Any]
    counted_attempt: CountedAttempt


def load_user(user_id: UUID) -> tuple[UserWithProfile | None, bool]:
    """Load a user, and whether a second factor is enrolled, in one statement."""
    parameters = {"user_id": user_id, "kinds": registry.second_factor_kinds()}
    found = db.session.execute(SELECT_USER, parameters).one_or_none()
    return (users.build_user_with_profile(found[0], found[1]), found[2]) if found else (None, False)


def start(first_factor: FirstFactorResult, context: RequestContext) -> MfaRequired:
    """Store a login that waits for its second step, in the current transaction."""
    user_id = UUID(first_factor.user_id)
    data = {"user_id": first_factor.user_id, "first": first_factor.to_json(), "asked": {}}
    secrets = one_time_codes.create(PURPOSE, first_factor.user_id, data, LIFETIME)
    record(events.Factor.REQUIRED, context, user_id=user_id, amr=first_factor.amr)
    return MfaRequired(
        secrets.token, [_serialize_factor(row) for row in eligible_factors(first_factor)]
    )


def start_with_email(first_factor: FirstFactorResult, context: RequestContext) -> MfaRequired:
    """Store a login that waits for an e-mail OTP, of a user who has enrolled no factor."""
    return start(replace(first_factor, email_factor_id=str(crypto.new_id())), context)


def eligible_factors(first_factor: FirstFactorResult) -> list[Credential]:
    """Return the user's factors that can complete a login, in the order of the settings.

    Factors that use the channel of the first step are left out. If the policy requires a second
    factor and the user has a strong one, weak ones are left out, too. If the login was started with
    the e-mail fallback and the user still has no second factor, the fallback is returned.
    """
    user_id, order = UUID(first_factor.user_id), list(registry.enabled_factors())
    confirmed = credential_store.list_confirmed(user_id)
    if first_factor.email_factor_id and not any(
        registry.is_second_factor(row.kind) for row in confirmed
    ):
        return [email_fallback.build_credential(user_id, UUID(first_factor.email_factor_id))]
    rows = [row for row in confirmed if registry.is_independent(row.kind, first_factor.amr)]
    if any(registry.is_strong(row.kind) for row in rows) and is_mfa_required(user_id):
        rows = [row for row in rows if registry.get_factor(row.kind).strong]
    return sorted(rows, key=lambda row: order.index(row.kind))


def is_mfa_required(user_id: UUID) -> bool:
    """Return whether the policy requires a second factor of a user."""
    if config.settings().mfa == "optional":
        return False
    return assurance.is_mfa_required(users.get_profile(user_id)["roles"])


def _serialize_factor(row: Credential) -> dict[str, Any]:
    if row.kind == registry.RECOVERY_CODES:
        return {"kind": row.kind}
    return {"id": str(row.id), "kind": row.kind, "label": row.label}


def send_challenge(mfa_token: str, factor_id: UUID, context: RequestContext) -> dict[str, Any]:
    """Send a factor's code, or return the options that the browser needs for it.

    Raises:
        InvalidCode: the login is no longer pending, or the factor is not eligible in it.
    """
    with write_transaction():
        row = _load_pending(mfa_token)
        data = one_time_codes.decrypt_data(row)
        first_factor = FirstFactorResult.from_json(data["first"])
        user = users.get_user(UUID(first_factor.user_id))
        selected = [factor for factor in eligible_factors(first_factor) if factor.id == factor_id]
        if user is None or not selected:
            raise InvalidCode
        challenge = registry.get_factor(selected[0].kind).challenge(user, selected, context)
        _save_challenge(row, data, selected[0].kind, challenge)
    lifetime = challenge.lifetime or LIFETIME
    return {"expires_in": int(lifetime.total_seconds()), **challenge.public}


def count_attempt(form: dict[str, Any], context: RequestContext) -> SecondFactorAttempt:
    """Count an attempt at the second step, and commit the count.

    Raises:
        InvalidCode: the login is no longer pending, or does not accept this factor; not counted.
        TooManyAttempts: too many attempts on this account failed; this one is not evaluated.
        ValidationFailed: the form lacks the response that this kind of factor needs.
    """
    row = _load_pending(form["mfa_token"])
    data = one_time_codes.decrypt_data(row)
    first_factor = FirstFactorResult.from_json(data["first"])
    user_id = UUID(first_factor.user_id)
    eligible = eligible_factors(first_factor)
    kind = _resolve_kind(eligible, form)
    attempts.load_response(kind, form)
    if kind not in {factor.kind for factor in eligible}:
        raise InvalidCode
    one_time_codes.attempt_with_token(PURPOSE, form["mfa_token"], MAX_ATTEMPTS)
    with one_time_codes.refund_on_error(row.id):
        counted_attempt = attempts.count_attempt(user_id, context)
    return SecondFactorAttempt(row.id, first_factor, data["asked"], form, counted_attempt)


def verify_second_factor(attempt: SecondFactorAttempt, context: RequestContext) -> VerifiedFactor:
    """Consume the pending login and verify its second factor, in a write transaction.

    Raises:
        InvalidCode: the response is wrong.
        CodeUsed: the login or the code was used before; the attempt is not counted.
    """
    try:
        one_time_codes.consume(attempt.challenge_id)
    except InvalidCode:
        raise CodeUsed from None
    eligible, form = eligible_factors(attempt.first_factor), attempt.form
    if [str(row.id) for row in eligible] == [attempt.first_factor.email_factor_id]:
        kind = email_fallback.KIND
        response = attempts.load_response(kind, form)
        state = attempt.states.get(kind, {})
        return registry.get_factor(kind).verify(eligible, response, state, context)
    return attempts.verify_factor(UUID(attempt.first_factor.user_id), form, attempt.states, context)


def _resolve_kind(eligible: list[Credential], form: dict[str, Any]) -> str:
    """Return the factor kind that a form gives as `factor`, or by a `factor_id`.

    Raises:
        InvalidCode: no eligible factor has this id.
    """
    if "factor_id" not in form:
        return str(form["factor"])
    kinds = {row.id: row.kind for row in eligible}
    if form["factor_id"] not in kinds:
        raise InvalidCode
    return kinds[form["factor_id"]]


def _save_challenge(
    row: OneTimeCode, data: dict[str, Any], kind: str, factor_challenge: FactorChallenge
) -> None:
    """Store a challenge's state, and extend the login to the lifetime of its code."""
    if factor_challenge.state is None:
        return
    one_time_codes.change_data(
        row, data | {"asked": data["asked"] | {kind: factor_challenge.state}}
    )
    if factor_challenge.lifetime:
        row.expires_at = max(row.expires_at, clock.now() + factor_challenge.lifetime)


def _load_pending(mfa_token: str) -> OneTimeCode:
    row = one_time_codes.find_by_token(PURPOSE, mfa_token)
    if row is None or row.attempts >= MAX_ATTEMPTS:
        raise InvalidCode
    return row
