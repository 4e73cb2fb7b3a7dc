"""Define roles and permissions: operators' own ones, as rows.

Each change increases the version of the catalogue, and gives it to the roles that it changes, so
that access tokens with these roles are outdated.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from gatehouse.audit.administration_events import Authorization
from gatehouse.audit.event import Event
from gatehouse.audit.service import record
from gatehouse.authorization import catalog, delegation, token_size
from gatehouse.authorization.catalog import PermissionDefinition, RoleDefinition
from gatehouse.authorization.errors import BuiltIn, PermissionExists, RoleExists
from gatehouse.authorization.permissions import ADMIN, AUDIENCE, PERMISSION_NAME, ROLE_NAME
from gatehouse.core.errors import NotFound, reject_field
from gatehouse.core.events import AuthorizationChanged, publish
from gatehouse.database.session import db, write_transaction
from gatehouse.tokens import authorization_changes
from gatehouse.web.request_context import RequestContext
from models import Permission, Role, RoleCatalogVersion, RoleParent, RolePermission

MAX_LENGTHS = {"name": 64, "audience": 255}
INCREASE_VERSION = (
    update(RoleCatalogVersion)
    .values(version=RoleCatalogVersion.version + 1)
    .returning(RoleCatalogVersion.version)
)


@dataclass(frozen=True)
class RoleChange:
    """What to change of a role; None keeps it."""

    description: str | None = None
    permissions: frozenset[str] | None = None
    parents: frozenset[str] | None = None


@dataclass(frozen=True)
class PermissionChange:
    """What to change of a permission; None keeps the description."""

    description: str | None = None


def create_role(name: str, change: RoleChange, context: RequestContext) -> RoleDefinition:
    """Create a role.

    Raises:
        RoleExists: there is one of this name.
        ValidationFailed, GrantExceedsOwnPermissions: see `change_role`.
    """
    with write_transaction():
        delegation.lock_administration()
        _require_pattern("name", ROLE_NAME, name)
        if db.session.get(Role, name):
            raise RoleExists
        db.session.add(Role(name=name, description=change.description or ""))
        db.session.flush()
        return _apply(name, change, Authorization.ROLE_CREATED, context)


def change_role(name: str, change: RoleChange, context: RequestContext) -> RoleDefinition:
    """Change a role; the actor must have all permissions that it grants before and after.

    Raises:
        NotFound: there is no such role.
        BuiltIn: it is built in.
        ValidationFailed: a permission or parent does not exist, or a parent contains the role.
        GrantExceedsOwnPermissions: it grants what the actor does not have.
        OwnRoleExtended: the actor has it, and would gain another role with it.
        TooManyPermissions: the access token of a user with this role would be too large.
    """
    with write_transaction():
        delegation.lock_administration()
        _require_own_role(name, context)
        return _apply(name, change, Authorization.ROLE_CHANGED, context)


def delete_role(name: str, context: RequestContext) -> None:
    """Delete a role, and take it from all users who have it.

    Raises:
        NotFound, BuiltIn, GrantExceedsOwnPermissions: see `change_role`.
    """
    with write_transaction():
        delegation.lock_administration()
        _require_own_role(name, context)
        db.session.execute(delete(Role).where(Role.name == name))
        _increase_versions([name])
        record(Authorization.ROLE_DELETED, context, role=name)


def create_permission(wanted: PermissionDefinition, context: RequestContext) -> None:
    """Create a permission of an operator's application; `admin` has it with the next token.

    Raises:
        PermissionExists: there is one of this name.
    """
    with write_transaction():
        delegation.lock_administration()
        _require_pattern("name", PERMISSION_NAME, wanted.name)
        _require_pattern("audience", AUDIENCE, wanted.audience or "-")
        if wanted.name in catalog.read_catalog().permissions:
            raise PermissionExists
        values = {"description": wanted.description, "audience": wanted.audience}
        db.session.add(Permission(name=wanted.name, **values))
        db.session.flush()
        _increase_versions([])
        record(Authorization.PERMISSION_CREATED, context, permission=wanted.name)


def change_permission(name: str, change: PermissionChange, context: RequestContext) -> None:
    """Change the description of a permission.

    Raises:
        NotFound: there is no such permission.
        BuiltIn: it is built in.
        GrantExceedsOwnPermissions: the actor does not have it.
    """
    with write_transaction():
        row = _require_own_permission(name, context)
        row.description = change.description or row.description
        _increase_versions([])
        record(Authorization.PERMISSION_CHANGED, context, permission=name)


def delete_permission(name: str, context: RequestContext) -> None:
    """Delete a permission, and take it from all roles.

    Raises:
        NotFound, BuiltIn, GrantExceedsOwnPermissions: see `change_permission`.
    """
    with write_transaction():
        db.session.delete(_require_own_permission(name, context))
        granting = select(RolePermission.role).where(RolePermission.permission == name)
        changed = db.session.scalars(granting).all()
        db.session.execute(delete(RolePermission).where(RolePermission.permission == name))
        _increase_versions([ADMIN, *changed])
        record(Authorization.PERMISSION_DELETED, context, permission=name)


def _require_own_role(name: str, context: RequestContext) -> None:
    known = catalog.read_catalog()
    if name not in known.roles:
        raise NotFound
    if known.roles[name].built_in:
        raise BuiltIn
    delegation.get_grant_limit(context.actor).require(known.grants_of([name]))


def _require_own_permission(name: str, context: RequestContext) -> Permission:
    delegation.lock_administration()
    known = catalog.read_catalog().permissions.get(name)
    if known is None:
        raise NotFound
    if known.built_in:
        raise BuiltIn
    delegation.get_grant_limit(context.actor).require({name})
    return db.session.get_one(Permission, name)


def _apply(name: str, change: RoleChange, event: Event, context: RequestContext) -> RoleDefinition:
    known = catalog.read_catalog()
    _require_known("permissions", change.permissions, known.permissions)
    _require_known("parents", change.parents, known.roles)
    if change.parents and name in known.with_parents(change.parents):
        reject_field("parents", "cycle", "A role cannot contain itself.")
    before, actor = known.grants_of([name]), context.actor
    own_roles = delegation.list_own_roles(actor)
    limit, lasting = (delegation.get_grant_limit(actor), delegation.get_lasting_grant_limit(actor))
    _write(name, change)
    _increase_versions([name])
    changed = catalog.read_catalog()
    limit.require(changed.grants_of([name]))
    lasting.require(changed.grants_of([name]) - before)
    if name in own_roles:
        delegation.require_may_gain(actor, set(changed.with_parents([name])) - own_roles)
    token_size.require_small_tokens(changed, [name])
    role = changed.roles[name]
    granted, parents = sorted(role.permissions), list(role.parents)
    record(event, context, role=name, permissions=granted, parents=parents)
    return role


def _write(name: str, change: RoleChange) -> None:
    if change.description is not None:
        db.session.execute(
            update(Role).where(Role.name == name).values(description=change.description)
        )
    if change.permissions is not None:
        db.session.execute(delete(RolePermission).where(RolePermission.role == name))
        rows = (RolePermission(role=name, permission=one) for one in sorted(change.permissions))
        db.session.add_all(rows)
    if change.parents is not None:
        db.session.execute(delete(RoleParent).where(RoleParent.role == name))
        db.session.add_all(RoleParent(role=name, parent=one) for one in sorted(change.parents))
    db.session.flush()


def _increase_versions(changed_roles: Iterable[str]) -> None:
    """Give the next version to the catalogue and to the changed roles; outdate their tokens."""
    db.session.info[catalog.CHANGED] = True
    version = db.session.scalars(INCREASE_VERSION).one()
    for name in sorted(set(changed_roles)):
        db.session.execute(update(Role).where(Role.name == name).values(version=version))
        authorization_changes.record_change(authorization_changes.ROLE, name, version)
    publish(AuthorizationChanged())


def _require_pattern(field: str, pattern: str, value: str) -> None:
    """Require a form that is safe in a token's scope and in a header, from any caller."""
    if not re.fullmatch(pattern, value, re.ASCII) or len(value) > MAX_LENGTHS[field]:
        reject_field(field, "invalid", f"{value!r} is not a valid {field}.")


def _require_known(field: str, wanted: Iterable[str] | None, known: Iterable[str]) -> None:
    unknown = sorted(set(wanted or ()) - set(known))
    if unknown:
        reject_field(field, "unknown", f"There is no {unknown[0]!r}.")
