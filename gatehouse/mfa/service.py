"""Enrol, confirm and remove a user's factors; each change is audited, and the user notified."""

from collections.abc import Sequence
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.event import Event
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto
from gatehouse.core.errors import NotFound
from gatehouse.core.events import CredentialChanged, FactorAdded, publish
from gatehouse.database.session import db, write_transaction
from gatehouse.devices import service as devices
from gatehouse.mfa import credential_store, registry, verification
from gatehouse.mfa.errors import FactorUnavailable, TooManyFactors
from gatehouse.mfa.factor import Enrolment, FactorResponse, VerifiedFactor
from gatehouse.mfa.factors import recovery_codes
from gatehouse.mfa.forms import NewFactorForm
from gatehouse.sessions import assurance, step_up
from gatehouse.sessions import service as sessions
from gatehouse.tokens.service import AccessToken
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.users.errors import AccountDeleted
from gatehouse.web.request_context import RequestContext
from models import Credential, User

MAX_FACTORS = 20
"""Confirmed factors per user."""
NEXT_FACTOR = (
    "Before you set up or remove another factor, refresh the tokens (POST /auth/refresh), so that"
    " they show this one. After ten minutes it must be used again: POST /auth/reauthenticate."
)


def list_factors(user_id: UUID) -> list[dict[str, object]]:
    """Return the factors of a user (the schema `Factor`), in the order of the settings."""
    order = list(registry.enabled_factors())
    rows = [row for row in credential_store.list_confirmed(user_id) if row.kind in order]
    return [serialize_factor(row) for row in sorted(rows, key=lambda row: order.index(row.kind))]


def serialize_factor(row: Credential) -> dict[str, object]:
    """Return the public data of a factor (the schema `Factor`), without secrets."""
    factor: dict[str, object] = {"id": str(row.id), "kind": row.kind, "label": row.label}
    factor |= {"confirmed": row.confirmed_at is not None, "created_at": row.created_at}
    factor |= {"last_used_at": row.last_used_at}
    if row.kind == registry.RECOVERY_CODES:
        factor["left"] = recovery_codes.count_unused(row)
    return factor


def list_managed_factors(user_id: UUID) -> list[dict[str, object]]:
    """Return the factors of a user as administrators see them (the schema `ManagedFactor`)."""
    shown = ("id", "kind", "label", "created_at", "last_used_at")
    return [{name: factor[name] for name in shown} for factor in list_factors(user_id)]


def enrol_factor(user_id: UUID, form: NewFactorForm, context: RequestContext) -> dict[str, object]:
    """Start enrolling a factor; return it with what its set-up needs, which is shown only once.

    It is active once confirmed. An unconfirmed factor of the same kind is deleted.

    Raises:
        FactorUnavailable: this kind cannot be enrolled.
        TooManyFactors: the user has as many factors as allowed.
    """
    kind = form.kind
    if kind == registry.RECOVERY_CODES:
        raise FactorUnavailable
    with write_transaction():
        user = _require_user(user_id)
        confirmed = credential_store.list_confirmed(user_id)
        require_capacity(confirmed)
        credential_store.delete_unconfirmed(user_id, kind)
        same_kind = [row for row in confirmed if row.kind == kind]
        enrolment = registry.get_factor(kind).enrol(user, same_kind, context)
        row = _add_credential(user_id, kind, form.label or kind, enrolment)
        _record(events.Factor.ENROLMENT_STARTED, row, context)
    return {**serialize_factor(row), **enrolment.public}


def confirm_factor(
    caller: AccessToken, factor_id: UUID, response: FactorResponse, context: RequestContext
) -> dict[str, object]:
    """Confirm a factor with a first response, notify the user, and end the other sessions.

    The first factor brings recovery codes. A strong one steps the caller's session up.

    Raises:
        NotFound: the user has no such unconfirmed factor.
        FactorVerificationFailed: the response is wrong.
        TooManyAttempts: too many attempts failed; this one was not evaluated.
    """
    user_id = UUID(caller.sub)
    row = credential_store.lock_credential(user_id, factor_id)
    if row is None or row.confirmed_at:
        raise NotFound
    verification.require_response_of(row.kind, response)
    counted = verification.count_factor_attempt(user_id, context)
    with verification.settle_factor_attempt(counted, context), write_transaction():
        verified, codes = confirm_credential(user_id, factor_id, response, context)
        return _finish_confirmation(caller, verified.credential, codes, context)


def confirm_passkey(
    caller: AccessToken, row: Credential, context: RequestContext
) -> dict[str, object]:
    """Activate a passkey that was verified already, in a write transaction.

    Returns and does the same as `confirm_factor` otherwise.
    """
    return _finish_confirmation(caller, row, activate(row, context), context)


def confirm_credential(
    user_id: UUID, factor_id: UUID, response: FactorResponse, context: RequestContext
) -> tuple[VerifiedFactor, list[str]]:
    """Verify a first response and activate the factor, in a write transaction.

    Returns:
        The factor, and new recovery codes if the user had none.

    Raises:
        NotFound: the user has no such unconfirmed factor.
        InvalidCode: the response is wrong.
    """
    row = credential_store.lock_credential(user_id, factor_id)
    if row is None or row.confirmed_at:
        raise NotFound
    verified = verification.verify_response([row], response, {}, context)
    return verified, activate(row, context)


def activate(row: Credential, context: RequestContext) -> list[str]:
    """Activate a factor and notify the user; return new recovery codes if the user has none.

    Trust in all devices is revoked.

    Raises:
        TooManyFactors: the user has as many factors as allowed, by now.
    """
    user = _require_user(row.user_id)
    require_capacity(credential_store.list_confirmed(user.id))
    row.confirmed_at = clock.now()
    codes = (
        []
        if _has_recovery_codes(user.id) or not _recovery_codes_enabled()
        else _create_recovery_codes(user, context)
    )
    devices.forget_trust(user.id)
    _record(events.Factor.CONFIRMED, row, context)
    publish(FactorAdded(row.user_id, context, row.id, row.kind))
    _notify(user, "notice_factor_added", row, context)
    return codes


def _finish_confirmation(
    caller: AccessToken, row: Credential, codes: list[str], context: RequestContext
) -> dict[str, object]:
    """End the user's other sessions, and step the caller's up if the factor is strong."""
    sessions.end_all_sessions(row.user_id, "factor_added", context, keep=UUID(caller.sid))
    _step_up(UUID(caller.sid), row)
    confirmed = {"factor": serialize_factor(row), "recovery_codes": codes or None}
    return confirmed | ({"next": NEXT_FACTOR} if registry.is_strong(row.kind) else {})


def remove_factor(caller: AccessToken, factor_id: UUID, context: RequestContext) -> None:
    """Remove a factor, and the recovery codes with the last one.

    Ends the other sessions and downgrades the caller's, whose AAL2 may rest on the removed factor;
    where the policy requires a second factor of the user, that session ends, too.

    Raises:
        NotFound: the user has no such factor.
    """
    user_id = UUID(caller.sub)
    with write_transaction():
        row = credential_store.lock_credential(user_id, factor_id)
        if row is None:
            raise NotFound
        credential_store.delete_factors(user_id, context, Credential.id == row.id)
        if not any(
            registry.is_second_factor(other.kind)
            for other in credential_store.list_confirmed(user_id)
        ):
            _delete_recovery_codes(user_id, context)
        publish(CredentialChanged(user_id, "factor_removed", context, UUID(caller.sid)))
        _downgrade_session(caller, context)
        _record(events.Factor.REMOVED, row, context)
        if row.confirmed_at:
            _notify(_require_user(user_id), "notice_factor_removed", row, context)


def require_capacity(enrolled: Sequence[Credential]) -> None:
    """Check that a user with these factors may enrol one more.

    Raises:
        TooManyFactors: the user has `MAX_FACTORS`.
    """
    if len(enrolled) >= MAX_FACTORS:
        raise TooManyFactors


def replace_recovery_codes(user_id: UUID, context: RequestContext) -> list[str]:
    """Replace the recovery codes; return the new ones, which are shown only once.

    Raises:
        FactorUnavailable: recovery codes are not enabled, or the user has no other factor.
    """
    with write_transaction():
        user = _require_user(user_id)
        confirmed = credential_store.list_confirmed(user_id)
        if not _recovery_codes_enabled() or not any(
            registry.is_second_factor(row.kind) for row in confirmed
        ):
            raise FactorUnavailable
        codes = _create_recovery_codes(user, context)
        devices.forget_trust(user_id)
        record(events.Factor.RECOVERY_CODES_REPLACED, context, user_id=user_id)
        variables = {"factor": registry.RECOVERY_CODES}
        notifications.notify(user, "notice_factor_added", variables, context)
    return codes


def _add_credential(user_id: UUID, kind: str, label: str, enrolment: Enrolment) -> Credential:
    row = Credential(id=crypto.new_id(), user_id=user_id, kind=kind, label=label, counter=0)
    row.lookup, row.created_at = enrolment.lookup, clock.now()
    credential_store.save_data(row, enrolment.secret)
    db.session.add(row)
    return row


def _create_recovery_codes(user: User, context: RequestContext) -> list[str]:
    """Create a set of recovery codes, in place of an existing one, in the current transaction."""
    _delete_recovery_codes(user.id, context)
    enrolment = registry.get_factor(registry.RECOVERY_CODES).enrol(user, (), context)
    row = _add_credential(user.id, registry.RECOVERY_CODES, "", enrolment)
    row.confirmed_at = clock.now()
    publish(FactorAdded(user.id, context, row.id, row.kind))
    return recovery_codes.new_codes(enrolment)


def _delete_recovery_codes(user_id: UUID, context: RequestContext) -> None:
    is_recovery_code = Credential.kind == registry.RECOVERY_CODES
    credential_store.delete_factors(user_id, context, is_recovery_code)


def _step_up(session_id: UUID, row: Credential) -> None:
    """Add the factor to the session's authentication, if it is strong."""
    session = step_up.lock_session(session_id)
    if session and registry.is_strong(row.kind):
        step_up.add_verified_methods(session, registry.get_factor(row.kind).amr, clock.now())


def _downgrade_session(caller: AccessToken, context: RequestContext) -> None:
    """Downgrade the caller's session; end it if the policy requires a second factor."""
    if assurance.is_mfa_required(users.get_profile(UUID(caller.sub))["roles"]):
        sessions.end_session(UUID(caller.sid), "factor_removed", context)
    elif session := step_up.lock_session(UUID(caller.sid)):
        step_up.downgrade(session)


def _has_recovery_codes(user_id: UUID) -> bool:
    return any(
        row.kind == registry.RECOVERY_CODES for row in credential_store.list_confirmed(user_id)
    )


def _recovery_codes_enabled() -> bool:
    return registry.RECOVERY_CODES in registry.enabled_factors()


def _require_user(user_id: UUID) -> User:
    user = users.get_user(user_id)
    if user is None:
        raise AccountDeleted
    return user


def _record(event: Event, row: Credential, context: RequestContext) -> None:
    record(event, context, user_id=row.user_id, kind=row.kind, factor_id=str(row.id))


def _notify(user: User, template: str, row: Credential, context: RequestContext) -> None:
    factor = f"{row.label} ({row.kind})" if row.label != row.kind else row.kind
    notifications.notify(user, template, {"factor": factor}, context)
