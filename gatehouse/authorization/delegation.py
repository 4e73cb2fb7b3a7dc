"""Delegated administration: an administrator acts only on users whose permissions theirs include.

Operators at the command line and the system itself are not restricted.
"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from gatehouse.authorization import api_keys, catalog, roles
from gatehouse.authorization.errors import (
    Forbidden,
    GrantExceedsOwnPermissions,
    OwnRoleExtended,
    TargetHasMorePermissions,
)
from gatehouse.authorization.permissions import ADMIN
from gatehouse.database.session import advisory_lock, db
from gatehouse.web.request_context import OPERATOR, SERVICE_ACCOUNT, SYSTEM, Actor
from models import RoleAssignment, User

SELECT_ROLES = select(User.disabled_at, *roles.assignment_columns(User.id)).where(
    User.id == bindparam("user_id")
)


def lock_administration() -> None:
    """Let one administrative write at a time proceed, until the current transaction ends.

    It comes before the lock of any user: two administrators who change each other's account would
    otherwise wait for each other.
    """
    advisory_lock("administration")


def may_act_on(actor: Actor, user_id: UUID) -> bool:
    """Return whether the actor has all permissions of a user, in the current transaction.

    Everyone may act on themselves, also while the account is deleted.
    """
    if is_unrestricted(actor) or actor.id == user_id:
        return True
    return list_own_permissions(actor) >= list_permissions(user_id)


def require_may_act_on(actor: Actor, user_id: UUID) -> None:
    """Require that the actor has all permissions of a user, in the current transaction.

    Raises:
        TargetHasMorePermissions: the user has a permission that the actor does not have.
    """
    if not may_act_on(actor, user_id):
        raise TargetHasMorePermissions(user_id=actor.user_id, target=str(user_id))


@dataclass(frozen=True)
class GrantLimit:
    """What an actor may grant: read before a change, which may give the actor more."""

    actor: Actor
    permissions: frozenset[str] | None
    """None if the actor is not restricted."""

    def require(self, permissions: Set[str]) -> None:
        """Require that the actor may grant these permissions, or take them away.

        Raises:
            GrantExceedsOwnPermissions: the actor lacks one of them.
        """
        missing = set() if self.permissions is None else permissions - self.permissions
        if missing:
            raise GrantExceedsOwnPermissions(user_id=self.actor.user_id, missing=sorted(missing))


def get_grant_limit(actor: Actor) -> GrantLimit:
    """Return what the actor may grant now."""
    own = None if is_unrestricted(actor) else list_own_permissions(actor)
    return GrantLimit(actor, own)


def get_lasting_grant_limit(actor: Actor, until: datetime | None = None) -> GrantLimit:
    """Return what the actor may grant until a time, or for ever: what it does not lose before.

    An API key expires, so it grants nothing for ever.
    """
    if is_unrestricted(actor):
        return GrantLimit(actor, None)
    if actor.kind == SERVICE_ACCOUNT:
        rights = api_keys.get_rights(actor)
        outlasts_grant = until is not None and until <= rights.last_until
        return GrantLimit(actor, rights.permissions if outlasts_grant else frozenset())
    expires_at = RoleAssignment.expires_at
    outlasts = (
        expires_at.is_(None) if until is None else expires_at.is_(None) | (expires_at >= until)
    )
    own = select(RoleAssignment.role).where(RoleAssignment.user_id == actor.id, outlasts)
    lasting = db.session.scalars(own.where(roles.is_active())).all()
    return GrantLimit(actor, catalog.read_catalog().grants_of(lasting))


def require_may_gain(actor: Actor, roles_gained: Set[str]) -> None:
    """Require that an actor gains no role by its own change, unless it has `admin`.

    A gateway may require a role by its name, even one that grants no permission.

    Raises:
        OwnRoleExtended: the actor would gain one.
    """
    if roles_gained and not is_unrestricted(actor) and ADMIN not in list_own_roles(actor):
        raise OwnRoleExtended(user_id=actor.user_id, roles=sorted(roles_gained))


def list_own_roles(actor: Actor) -> frozenset[str]:
    """Return the names of the actor's roles, with the roles in them."""
    given = select(RoleAssignment.role).where(RoleAssignment.subject_id == actor.id)
    names = db.session.scalars(given.where(roles.is_active())).all()
    return frozenset(catalog.read_catalog().with_parents(names))


def require_permission(actor: Actor, permission: str) -> None:
    """Require that the actor has a permission now, whatever its token says.

    Raises:
        Forbidden: the actor does not have it any more.
    """
    if not is_unrestricted(actor) and permission not in list_own_permissions(actor):
        raise Forbidden(user_id=actor.user_id, permission=permission)


def is_unrestricted(actor: Actor) -> bool:
    """Return whether the actor is an operator at the command line, or the system."""
    return actor.kind in (OPERATOR, SYSTEM)


def list_own_permissions(actor: Actor) -> frozenset[str]:
    """Return the permissions that the actor has now; disabled ones and revoked keys have none."""
    if actor.kind == SERVICE_ACCOUNT:
        return api_keys.get_rights(actor).permissions
    row = db.session.execute(SELECT_ROLES, {"user_id": actor.id}).one_or_none()
    return _permissions_of(row) if row and row.disabled_at is None else frozenset()


def get_roles_expiry(actor: Actor) -> datetime | None:
    """Return when the first of the actor's roles expires, if any does."""
    row = db.session.execute(SELECT_ROLES, {"user_id": actor.id}).one_or_none()
    return row.roles_expire_at if row else None


def list_permissions(user_id: UUID) -> frozenset[str]:
    """Return the permissions of a user, also while the account is disabled."""
    row = db.session.execute(SELECT_ROLES, {"user_id": user_id}).one_or_none()
    return _permissions_of(row) if row else frozenset()


def _permissions_of(row: Any) -> frozenset[str]:
    given = (row.given_roles or "").split()
    return catalog.get_catalog(row.catalog_version).grants_of(given)
