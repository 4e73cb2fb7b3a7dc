"""A person's own factors: set up, confirmed, removed; each change is told and audited."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto
from gatehouse.core.errors import NotFound
from gatehouse.database.session import db, writing
from gatehouse.devices import service as devices
from gatehouse.mfa import attempts, credential_store, registry
from gatehouse.mfa.errors import FactorNotOffered, TooManyFactors
from gatehouse.mfa.factor import Enrolment
from gatehouse.mfa.factors import recovery_codes
from gatehouse.passwords import service as passwords
from gatehouse.sessions import assurance, step_up
from gatehouse.sessions import service as sessions
from gatehouse.sessions.guards import RECENT, require_recent
from gatehouse.tokens.service import AccessToken
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.users.errors import AccountGone
from gatehouse.web.request_context import Visitor
from models import Credential, User

MOST = 20
"""Confirmed factors of one person."""
PASSKEY = "passkey"


def highest_level(user_id: UUID) -> str:
    """Return the level that a person's sessions can have: AAL2 with a strong factor.

    A person without a password, whose mailbox opens the account, cannot reach it, but by a passkey.
    """
    kinds = {row.kind for row in credential_store.held(user_id) if registry.is_strong(row.kind)}
    has_first = PASSKEY in kinds or passwords.of(user_id) is not None
    return assurance.AAL2 if kinds and has_first else assurance.AAL1


def require_highest(caller: AccessToken, max_age: timedelta = RECENT) -> None:
    """Return if the caller proved lately who they are, at the highest level of the account.

    Raises:
        InsufficientUserAuthentication: they did not (ASVS V7.5.1, NIST 63B-4 section 4.1.2.1).
    """
    require_recent(caller, highest_level(UUID(caller.sub)), max_age)


def listing(user_id: UUID) -> list[dict[str, Any]]:
    """Return a person's factors (the schema `Factor`), in the order of the settings."""
    order = list(registry.kinds())
    rows = [row for row in credential_store.held(user_id) if row.kind in order]
    return [told(row) for row in sorted(rows, key=lambda row: order.index(row.kind))]


def told(row: Credential) -> dict[str, Any]:
    """Return what a person is told about a factor; never its secret."""
    about: dict[str, Any] = {"id": str(row.id), "kind": row.kind, "label": row.label}
    about |= {"confirmed": row.confirmed_at is not None, "created_at": row.created_at}
    about |= {"last_used_at": row.last_used_at}
    if row.kind == registry.RECOVERY:
        about["left"] = recovery_codes.left(row)
    return about


def enrol(user_id: UUID, form: dict[str, Any], visitor: Visitor) -> dict[str, Any]:
    """Begin to have a factor: return it with what is needed to set it up, shown this once.

    It counts from its confirmation; another one of the kind that never was confirmed is dropped.

    Raises:
        FactorNotOffered: this kind cannot be set up.
        TooManyFactors: there are enough.
    """
    kind = form["kind"]
    if kind == registry.RECOVERY:
        raise FactorNotOffered
    with writing():
        user = _existing(user_id)
        held = credential_store.held(user_id)
        require_room(held)
        credential_store.drop_unconfirmed(user_id, kind)
        same = [row for row in held if row.kind == kind]
        enrolment = registry.piece(kind).enrol(user, same, visitor)
        row = _write(user_id, kind, form.get("label") or kind, enrolment)
        record(events.Factor.ENROLLED, visitor, user_id=user_id, kind=kind)
    return told(row) | enrolment.shown


def confirm(caller: AccessToken, factor_id: UUID, form: dict[str, Any], visitor: Visitor) -> Any:
    """Let a factor count from here, and tell the owner; the person's other sessions end.

    The first one brings recovery codes, and the session that set it up rises with it.

    Raises:
        NotFound: it is not theirs, or counts already.
        FactorWrong: the proof is wrong.
        TooManyAttempts: too many were.
    """
    user_id = UUID(caller.sub)
    row = credential_store.own(user_id, factor_id)
    if row is None or row.confirmed_at:
        raise NotFound
    proof = attempts.proof_of(row.kind, form)
    guess = attempts.count(user_id, visitor)
    with attempts.evaluated(guess, visitor), writing():
        row, codes = confirm_row(user_id, factor_id, proof, visitor)
        return _answer(caller, row, codes, visitor)


def welcome(caller: AccessToken, row: Credential, visitor: Visitor) -> dict[str, Any]:
    """Let a factor count that was proved in a way of its own, in a write transaction.

    What follows from it is the same as after `confirm`.
    """
    return _answer(caller, row, let_count(row, visitor), visitor)


def confirm_row(
    user_id: UUID, factor_id: UUID, proof: dict[str, Any], visitor: Visitor
) -> tuple[Credential, list[str]]:
    """Confirm a factor, in a write transaction; return it, and new recovery codes if it has none.

    Raises:
        NotFound: it is not theirs, or counts already.
        InvalidCode: the proof is wrong.
    """
    row = credential_store.own(user_id, factor_id)
    if row is None or row.confirmed_at:
        raise NotFound
    registry.piece(row.kind).confirm(row, proof)
    return row, let_count(row, visitor)


def let_count(row: Credential, visitor: Visitor) -> list[str]:
    """Let a factor count from here, tell the owner, and return recovery codes if it has none."""
    user = _existing(row.user_id)
    row.confirmed_at = clock.now()
    codes = [] if _has_codes(user.id) or not _offers_codes() else _new_codes(user, visitor)
    devices.ask_again(user.id)
    record(events.Factor.CONFIRMED, visitor, user_id=user.id, kind=row.kind)
    _tell(user, "notice_factor_added", row, visitor)
    return codes


def _answer(
    caller: AccessToken, row: Credential, codes: list[str], visitor: Visitor
) -> dict[str, Any]:
    """End the person's other sessions, and let this one rise with its new factor."""
    sessions.end_all(row.user_id, "factor_added", visitor, keep=UUID(caller.sid))
    _raise(UUID(caller.sid), row)
    return {"factor": told(row), "recovery_codes": codes or None}


def remove(caller: AccessToken, factor_id: UUID, visitor: Visitor) -> None:
    """Remove a factor; with the last one that counts the recovery codes go, too.

    Other sessions end, and this one falls back: what raised it may be what is gone.

    Raises:
        NotFound: it is not theirs.
    """
    user_id = UUID(caller.sub)
    with writing():
        row = credential_store.own(user_id, factor_id)
        if row is None:
            raise NotFound
        credential_store.remove(row)
        if not any(registry.counts(other.kind) for other in credential_store.held(user_id)):
            credential_store.remove_kind(user_id, registry.RECOVERY)
        devices.ask_again(user_id)
        sessions.end_all(user_id, "factor_removed", visitor, keep=UUID(caller.sid))
        session = step_up.locked(UUID(caller.sid))
        if session:
            step_up.lower(session)
        record(events.Factor.REMOVED, visitor, user_id=user_id, kind=row.kind)
        if row.confirmed_at:
            _tell(_existing(user_id), "notice_factor_removed", row, visitor)


def require_room(held: Sequence[Credential]) -> None:
    """Return if a person with these factors can have one more.

    Raises:
        TooManyFactors: they cannot.
    """
    if len(held) >= MOST:
        raise TooManyFactors


def replace_codes(user_id: UUID, visitor: Visitor) -> list[str]:
    """Replace the recovery codes; return the new ones, shown this once.

    Raises:
        FactorNotOffered: there is no factor that they could stand in for.
    """
    with writing():
        user = _existing(user_id)
        held = credential_store.held(user_id)
        if not _offers_codes() or not any(registry.counts(row.kind) for row in held):
            raise FactorNotOffered
        codes = _new_codes(user, visitor)
        devices.ask_again(user_id)
        record(events.Factor.CODES_REPLACED, visitor, user_id=user_id)
        about = {"factor": registry.RECOVERY, "link": _objection()}
        notifications.tell(user, "notice_factor_added", about, visitor)
    return codes


def _write(user_id: UUID, kind: str, label: str, enrolment: Enrolment) -> Credential:
    row = Credential(id=crypto.new_id(), user_id=user_id, kind=kind, label=label, counter=0)
    row.lookup, row.created_at = enrolment.lookup, clock.now()
    credential_store.keep(row, enrolment.data)
    db.session.add(row)
    return row


def _new_codes(user: User, visitor: Visitor) -> list[str]:
    """Write a set of recovery codes in the place of any other, in the current transaction."""
    credential_store.remove_kind(user.id, registry.RECOVERY)
    enrolment = registry.piece(registry.RECOVERY).enrol(user, (), visitor)
    _write(user.id, registry.RECOVERY, "", enrolment).confirmed_at = clock.now()
    codes: list[str] = enrolment.shown["recovery_codes"]
    return codes


def _raise(session_id: UUID, row: Credential) -> None:
    """Note that the session's person has just proved a strong factor."""
    session = step_up.locked(session_id)
    if session and registry.is_strong(row.kind):
        step_up.prove_too(session, registry.piece(row.kind).amr, clock.now())


def _has_codes(user_id: UUID) -> bool:
    return any(row.kind == registry.RECOVERY for row in credential_store.held(user_id))


def _offers_codes() -> bool:
    return registry.RECOVERY in registry.kinds()


def _existing(user_id: UUID) -> User:
    user = users.get(user_id)
    if user is None:
        raise AccountGone
    return user


def _tell(user: User, template: str, row: Credential, visitor: Visitor) -> None:
    named = f"{row.label} ({row.kind})" if row.label != row.kind else row.kind
    notifications.tell(user, template, {"factor": named, "link": _objection()}, visitor)


def _objection() -> str:
    return f"{config.settings().public_url}/forgot-password"
