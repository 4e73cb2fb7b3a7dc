"""Assign roles to users, by administrators and operators: each with an expiry and a reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from gatehouse.audit.administration_events import Authorization
from gatehouse.audit.service import record
from gatehouse.authorization import administrators, catalog, delegation, roles, token_size
from gatehouse.authorization.permissions import ADMIN, DEFAULT_ROLE
from gatehouse.core import clock
from gatehouse.core.errors import NotFound, reject_field
from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.one_time_codes.locks import user_lock_key
from gatehouse.web.request_context import Actor, RequestContext
from models import RoleAssignment, User


@dataclass(frozen=True)
class Assignment:
    """A role of a user, until when and why; None for ever and for no reason given."""

    role: str
    expires_at: datetime | None = None
    reason: str | None = None


def list_assignments(user_id: UUID) -> list[RoleAssignment]:
    """Return the active assignments of a user, by role.

    Raises:
        NotFound: there is no such user.
    """
    if db.session.get(User, user_id) is None:
        raise NotFound
    rows = select(RoleAssignment).where(RoleAssignment.user_id == user_id, roles.is_active())
    return list(db.session.scalars(rows.order_by(RoleAssignment.role)))


def assign(user_id: UUID, added: Assignment, context: RequestContext) -> None:
    """Assign one role more, or change its expiry and reason; see `replace_assignments`."""
    with write_transaction():
        _lock(user_id)
        kept = [one for one in _current(user_id) if one.role != added.role]
        replace_assignments(user_id, [*kept, added], context)


def unassign(user_id: UUID, role: str, context: RequestContext) -> None:
    """Take one role away; see `replace_assignments`.

    Raises:
        NotFound: the user does not have it.
    """
    with write_transaction():
        _lock(user_id)
        current = _current(user_id)
        kept = [one for one in current if one.role != role]
        if kept == current:
            raise NotFound
        replace_assignments(user_id, kept, context)


def replace_assignments(
    user_id: UUID, wanted: Sequence[Assignment], context: RequestContext
) -> None:
    """Replace the roles of a user, who has `user` anyway.

    Raises:
        NotFound: there is no such user.
        ValidationFailed: a role does not exist, is named twice, or has expired already.
        TargetHasMorePermissions, GrantExceedsOwnPermissions: it exceeds what the actor has.
        LastAdministrator: it takes `admin` from the last administrator, or lets it expire.
        TooManyPermissions: the user's access token would be too large.
    """
    wanted = [one for one in wanted if one.role != DEFAULT_ROLE]
    with write_transaction():
        _lock(user_id)
        before = set(_current(user_id))
        known = catalog.read_catalog()
        _require_valid(wanted, known)
        delegation.require_may_act_on(context.actor, user_id)
        _require_grantable(before, set(wanted), known, context.actor)
        if Assignment(ADMIN) not in [replace(one, reason=None) for one in wanted]:
            administrators.require_another_administrator(user_id)
        token_size.require_small_token(known, [one.role for one in wanted])
        if before != set(wanted):
            _write(user_id, before, set(wanted), context)


def _lock(user_id: UUID) -> None:
    delegation.lock_administration()
    advisory_lock(user_lock_key(user_id))


def _current(user_id: UUID) -> list[Assignment]:
    rows = list_assignments(user_id)
    return [Assignment(row.role, row.expires_at, row.reason) for row in rows]


def _require_valid(wanted: Sequence[Assignment], known: catalog.Catalog) -> None:
    for number, one in enumerate(wanted):
        field = f"roles.{number}"
        if one.role not in known.roles:
            reject_field(f"{field}.role", "unknown_role", "There is no role of this name.")
        if one.role in [earlier.role for earlier in wanted[:number]]:
            reject_field(f"{field}.role", "duplicate", "Name each role once.")
        if one.expires_at and one.expires_at <= clock.now():
            reject_field(f"{field}.expires_at", "in_the_past", "Choose a time in the future.")


def _require_grantable(
    before: set[Assignment], wanted: set[Assignment], known: catalog.Catalog, actor: Actor
) -> None:
    """Require that the actor may give and take these roles, and has what it gives for as long."""
    changed = {one.role for one in before ^ wanted}
    delegation.get_grant_limit(actor).require(known.grants_of(changed))
    for one in wanted - before:
        limit = delegation.get_lasting_grant_limit(actor, one.expires_at)
        limit.require(known.grants_of([one.role]))


def _write(
    user_id: UUID, before: set[Assignment], wanted: set[Assignment], context: RequestContext
) -> None:
    names = {one.role for one in wanted}
    for row in db.session.scalars(
        select(RoleAssignment).where(
            RoleAssignment.user_id == user_id, RoleAssignment.organization_id.is_(None)
        )
    ).all():
        if row.role not in names or Assignment(row.role, row.expires_at, row.reason) not in wanted:
            db.session.delete(row)
    db.session.flush()
    for one in sorted(wanted - before, key=lambda one: one.role):
        subject = {"subject_kind": roles.USER_SUBJECT, "subject_id": user_id, "user_id": user_id}
        db.session.add(
            RoleAssignment(**subject, role=one.role, expires_at=one.expires_at, reason=one.reason)
        )
        _record_assignment(user_id, one, context)
    for role in sorted({one.role for one in before} - names):
        record(Authorization.ROLE_UNASSIGNED, context, user_id=user_id, role=role)
    db.session.flush()
    roles.outdate_tokens(user_id)


def _record_assignment(user_id: UUID, one: Assignment, context: RequestContext) -> None:
    until = clock.format_rfc3339(one.expires_at) if one.expires_at else None
    record(
        Authorization.ROLE_ASSIGNED,
        context,
        user_id=user_id,
        role=one.role,
        expires_at=until,
        reason=one.reason,
    )
