"""Assign roles to users and service accounts: each with an expiry and a reason."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select

from gatehouse.audit.administration_events import Authorization
from gatehouse.audit.service import record
from gatehouse.authorization import administrators, catalog, delegation, roles, token_size
from gatehouse.authorization.permissions import ADMIN, DEFAULT_ROLE
from gatehouse.core import clock
from gatehouse.core.errors import NotFound, reject_field
from gatehouse.core.events import RolesChanged, publish
from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.one_time_codes.locks import user_lock_key
from gatehouse.web.request_context import Actor, RequestContext
from models import RoleAssignment, User


@dataclass(frozen=True)
class Assignment:
    """A role of a subject, until when and why; None for ever and for no reason given."""

    role: str
    expires_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Subject:
    """A user or a service account."""

    kind: str
    id: UUID

    @property
    def user_id(self) -> UUID | None:
        """The id of a user; None for a service account."""
        return self.id if self.kind == roles.USER_SUBJECT else None

    @property
    def event_data(self) -> dict[str, Any]:
        """How audit events name it."""
        return {"user_id": self.id} if self.user_id else {"service_account_id": str(self.id)}


def list_assignments(user_id: UUID) -> list[RoleAssignment]:
    """Return the active assignments of a user, by role.

    Raises:
        NotFound: there is no such user.
    """
    if db.session.get(User, user_id) is None:
        raise NotFound
    return list_assignments_of(_user(user_id))


def list_assignments_of(subject: Subject) -> list[RoleAssignment]:
    """Return the active assignments of a user or service account, by role."""
    rows = select(RoleAssignment).where(*_belongs_to(subject), roles.is_active())
    return list(db.session.scalars(rows.order_by(RoleAssignment.role)))


def list_assignments_of_many(kind: str, subject_ids: Collection[UUID]) -> list[RoleAssignment]:
    """Return the active assignments of many subjects of a kind, by role."""
    own = RoleAssignment.subject_kind == kind, RoleAssignment.subject_id.in_(subject_ids)
    rows = select(RoleAssignment).where(*own, roles.is_active())
    return list(db.session.scalars(rows.order_by(RoleAssignment.role)))


def serialize_assignment(row: RoleAssignment) -> dict[str, object]:
    """Return an assignment as administrators see it."""
    times = {"assigned_at": row.created_at, "expires_at": row.expires_at}
    return {"role": row.role, **times, "reason": row.reason}


def describe_roles(user_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Return the roles of a user as administrators see them.

    Raises:
        NotFound: there is no such user.
    """
    return {"roles": [serialize_assignment(row) for row in list_assignments(user_id)]}


def assign(user_id: UUID, added: Assignment, context: RequestContext) -> None:
    """Assign one role more, or change its expiry and reason; see `replace_assignments`."""
    with write_transaction():
        _lock(user_id)
        kept = [one for one in _current(_user(user_id)) if one.role != added.role]
        replace_assignments(user_id, [*kept, added], context)


def unassign(user_id: UUID, role: str, context: RequestContext) -> None:
    """Take one role away; see `replace_assignments`.

    Raises:
        NotFound: the user does not have it.
    """
    with write_transaction():
        _lock(user_id)
        current = _current(_user(user_id))
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
        OwnRoleExtended: the actor gives a role to itself, or has it for longer.
        LastAdministrator: it takes `admin` from the last administrator, or lets it expire.
        TooManyPermissions: the user's access token would be too large.
    """
    wanted = [one for one in wanted if one.role != DEFAULT_ROLE]
    with write_transaction():
        _lock(user_id)
        before = set(_current(_user(user_id)))
        known = catalog.read_catalog()
        _require_valid(wanted, known)
        delegation.require_may_act_on(context.actor, user_id)
        _require_grantable(before, set(wanted), known, context.actor)
        _require_may_gain(user_id, before, set(wanted), context.actor)
        if Assignment(ADMIN) not in [replace(one, reason=None) for one in wanted]:
            administrators.require_another_administrator(user_id)
        token_size.require_small_token(known, [one.role for one in wanted])
        if before != set(wanted):
            _write(_user(user_id), before, set(wanted), context)
            roles.outdate_tokens(user_id)
            names = tuple(sorted(one.role for one in wanted))
            publish(RolesChanged(user_id, context, names))


def replace_assignments_of_service_account(
    account_id: UUID, wanted: Sequence[Assignment], context: RequestContext
) -> None:
    """Replace the roles of a service account, whose caller has locked the administration.

    Raises:
        ValidationFailed: a role does not exist, is named twice, or has expired already.
        GrantExceedsOwnPermissions: one grants what the actor does not have.
        OwnRoleExtended: the actor gives a role to itself, or has it for longer.
    """
    subject = Subject(roles.SERVICE_ACCOUNT_SUBJECT, account_id)
    wanted = [one for one in wanted if one.role != DEFAULT_ROLE]
    before, known = set(_current(subject)), catalog.read_catalog()
    _require_valid(wanted, known)
    _require_grantable(before, set(wanted), known, context.actor)
    _require_may_gain(account_id, before, set(wanted), context.actor)
    if before != set(wanted):
        _write(subject, before, set(wanted), context)


def delete_assignments_of_service_account(account_id: UUID) -> None:
    """Delete the roles of a service account that is deleted, in the current transaction."""
    subject = Subject(roles.SERVICE_ACCOUNT_SUBJECT, account_id)
    db.session.execute(delete(RoleAssignment).where(*_belongs_to(subject)))


def _lock(user_id: UUID) -> None:
    delegation.lock_administration()
    advisory_lock(user_lock_key(user_id))


def _belongs_to(subject: Subject) -> tuple[ColumnElement[bool], ...]:
    return RoleAssignment.subject_kind == subject.kind, RoleAssignment.subject_id == subject.id


def _user(user_id: UUID) -> Subject:
    return Subject(roles.USER_SUBJECT, user_id)


def _current(subject: Subject) -> list[Assignment]:
    is_user = subject.kind == roles.USER_SUBJECT
    rows = list_assignments(subject.id) if is_user else list_assignments_of(subject)
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


def _require_may_gain(
    subject_id: UUID, before: set[Assignment], wanted: set[Assignment], actor: Actor
) -> None:
    if actor.id == subject_id:
        delegation.require_may_gain(actor, {one.role for one in wanted - before})


def _write(
    subject: Subject, before: set[Assignment], wanted: set[Assignment], context: RequestContext
) -> None:
    names = {one.role for one in wanted}
    for row in db.session.scalars(
        select(RoleAssignment).where(
            *_belongs_to(subject), RoleAssignment.organization_id.is_(None)
        )
    ).all():
        if row.role not in names or Assignment(row.role, row.expires_at, row.reason) not in wanted:
            db.session.delete(row)
    db.session.flush()
    for one in sorted(wanted - before, key=lambda one: one.role):
        row = RoleAssignment(role=one.role, expires_at=one.expires_at, reason=one.reason)
        row.subject_kind, row.subject_id, row.user_id = subject.kind, subject.id, subject.user_id
        db.session.add(row)
        _record_assignment(subject, one, context)
    for role in sorted({one.role for one in before} - names):
        record(Authorization.ROLE_UNASSIGNED, context, **subject.event_data, role=role)
    db.session.flush()


def _record_assignment(subject: Subject, one: Assignment, context: RequestContext) -> None:
    until = clock.format_rfc3339(one.expires_at) if one.expires_at else None
    record(
        Authorization.ROLE_ASSIGNED,
        context,
        **subject.event_data,
        role=one.role,
        expires_at=until,
        reason=one.reason,
    )
