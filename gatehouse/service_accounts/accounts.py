"""Service accounts: create, change and delete them; who may do so is decided by what they may do.

An actor changes only accounts whose permissions it has, and gives only roles that it has. Every
change takes the lock of administration first.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select

from gatehouse.audit.administration_events import ServiceAccounts
from gatehouse.audit.service import record
from gatehouse.authorization import assignments, catalog, delegation, roles
from gatehouse.authorization.assignments import Assignment, Subject
from gatehouse.core.errors import NotFound, reject_field
from gatehouse.core.events import UserDisabled
from gatehouse.database.pages import NewestFirst, Position
from gatehouse.database.session import db, write_transaction
from gatehouse.service_accounts import key_memory
from gatehouse.service_accounts.errors import ServiceAccountExists
from gatehouse.web.request_context import RequestContext
from models import RoleAssignment, ServiceAccount, User

NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
NAME_MESSAGE = "Use lower-case letters, digits, dots, - and _ for the name."


@dataclass(frozen=True)
class ServiceAccountChange:
    """What to set of a service account; None keeps it."""

    name: str | None = None
    description: str | None = None
    owner_id: UUID | None = None
    enabled: bool | None = None
    roles: Sequence[Assignment] | None = None


def list_accounts(
    limit: int, after: Position | None = None
) -> tuple[list[ServiceAccount], Position | None]:
    """Return a page of the service accounts, the newest first."""
    order = NewestFirst(ServiceAccount.created_at, ServiceAccount.id)
    rows, following = order.fetch_page(select(ServiceAccount), limit, after)
    return [row.ServiceAccount for row in rows], following


def get_account(account_id: UUID) -> ServiceAccount:
    """Return a service account.

    Raises:
        NotFound: there is none.
    """
    account = db.session.get(ServiceAccount, account_id, populate_existing=True)
    if account is None:
        raise NotFound
    return account


def list_roles(account_id: UUID) -> list[RoleAssignment]:
    """Return the active role assignments of a service account, by role."""
    return assignments.list_assignments_of(Subject(roles.SERVICE_ACCOUNT_SUBJECT, account_id))


def list_roles_of(account_ids: Collection[UUID]) -> dict[UUID, list[RoleAssignment]]:
    """Return the active role assignments of many service accounts, by account and role."""
    found: dict[UUID, list[RoleAssignment]] = {account_id: [] for account_id in account_ids}
    for row in assignments.list_assignments_of_many(roles.SERVICE_ACCOUNT_SUBJECT, account_ids):
        found[row.subject_id].append(row)
    return found


def describe_account(account_id: UUID) -> dict[str, object]:
    """Return a service account as administrators see it.

    Raises:
        NotFound: there is none.
    """
    return serialize_account(get_account(account_id), list_roles(account_id))


def serialize_account(
    account: ServiceAccount, given: Sequence[RoleAssignment]
) -> dict[str, object]:
    """Return a service account and its roles as administrators see them."""
    return {
        "id": str(account.id),
        "name": account.name,
        "description": account.description,
        "owner_id": str(account.owner_id) if account.owner_id else None,
        "enabled": account.enabled,
        "roles": [assignments.serialize_assignment(row) for row in given],
        "created_at": account.created_at,
    }


def create_account(change: ServiceAccountChange, context: RequestContext) -> ServiceAccount:
    """Create a service account; `name` and `owner_id` are needed.

    Raises:
        ServiceAccountExists: there is one of this name.
        ValidationFailed: the owner is no enabled user, or a role does not exist.
        GrantExceedsOwnPermissions: a role grants what the actor does not have.
    """
    with write_transaction():
        delegation.lock_administration()
        account = ServiceAccount(name="", description="", enabled=True)
        fields = _set_fields(account, change)
        db.session.add(account)
        db.session.flush()
        _set_roles(account, change, context)
        key_memory.record_change()
        record(ServiceAccounts.CREATED, context, **_event_data(account), fields=fields)
        return account


def change_account(
    account_id: UUID, change: ServiceAccountChange, context: RequestContext
) -> ServiceAccount:
    """Change a service account; one that is disabled keeps its keys, which are rejected.

    Raises:
        NotFound: there is none.
        ServiceAccountExists, ValidationFailed, GrantExceedsOwnPermissions: see `create_account`.
    """
    with changing_account(account_id, context) as account:
        fields = _set_fields(account, change)
        _set_roles(account, change, context)
        record(ServiceAccounts.CHANGED, context, **_event_data(account), fields=fields)
        return account


def delete_account(account_id: UUID, context: RequestContext) -> None:
    """Delete a service account with its keys.

    Raises:
        NotFound: there is none.
        GrantExceedsOwnPermissions: it has permissions that the actor does not have.
    """
    with changing_account(account_id, context) as account:
        assignments.delete_assignments_of_service_account(account.id)
        record(ServiceAccounts.DELETED, context, **_event_data(account))
        db.session.delete(account)


@contextmanager
def changing_account(account_id: UUID, context: RequestContext) -> Iterator[ServiceAccount]:
    """Lock a service account for a change of it or of its keys, in the write transaction.

    Raises:
        NotFound: there is none.
        GrantExceedsOwnPermissions: it has permissions that the actor does not have.
    """
    with write_transaction():
        delegation.lock_administration()
        account = get_account(account_id)
        granted = catalog.read_catalog().grants_of(row.role for row in list_roles(account.id))
        delegation.get_grant_limit(context.actor).require(granted)
        yield account
        key_memory.record_change()


def follow_owner(event: UserDisabled[RequestContext]) -> None:
    """Let all workers know that the owner of service accounts was disabled or deleted."""
    owned = select(exists().where(ServiceAccount.owner_id == event.user_id))
    if db.session.scalar(owned):
        key_memory.record_change()


def _set_fields(account: ServiceAccount, change: ServiceAccountChange) -> list[str]:
    """Set what is given; return the names of the fields."""
    if change.name is not None:
        _require_free_name(change.name, account)
    if change.owner_id is not None:
        _require_active_owner(change.owner_id)
    names = ("name", "description", "owner_id", "enabled")
    given = [name for name in names if getattr(change, name) is not None]
    for name in given:
        setattr(account, name, getattr(change, name))
    return given


def _set_roles(
    account: ServiceAccount, change: ServiceAccountChange, context: RequestContext
) -> None:
    if change.roles is not None:
        assignments.replace_assignments_of_service_account(account.id, change.roles, context)


def _require_free_name(name: str, account: ServiceAccount) -> None:
    if not re.fullmatch(NAME, name, re.ASCII):
        reject_field("name", "invalid", NAME_MESSAGE)
    taken = db.session.scalar(select(ServiceAccount.id).where(ServiceAccount.name == name))
    if taken not in (None, account.id):
        raise ServiceAccountExists


def _require_active_owner(user_id: UUID) -> None:
    owner = db.session.get(User, user_id, populate_existing=True)
    if owner is None or owner.disabled_at:
        reject_field("owner_id", "unknown_user", "Choose a user who exists and is enabled.")


def _event_data(account: ServiceAccount) -> dict[str, Any]:
    return {"service_account_id": str(account.id), "name": account.name}
