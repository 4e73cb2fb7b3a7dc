"""The catalogue of roles and permissions: which exist, and what each role grants.

It is small and changes rarely, so each worker keeps it in memory. Every statement that reads the
roles of a user also reads the version of the catalogue; a worker whose version differs reads it
again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from flask import Flask, current_app
from sqlalchemy import select
from sqlalchemy.event import listens_for
from sqlalchemy.orm import Session, SessionTransaction

import config
from gatehouse.authorization.permissions import ADMIN, BUILT_IN_ROLES, DECLARED, DEFAULT_ROLE
from gatehouse.database.session import db
from gatehouse.database.statements import fetch_all
from models import Permission, Role, RoleCatalogVersion, RoleParent, RolePermission

EXTENSION = "gatehouse.roles"
CHANGED = "role_catalog_changed"
"""The mark of a transaction that has changed the catalogue: what it reads is not kept."""
MAX_ADMIN_SCOPE = 1400
"""Characters of the scope of an `admin`; a longer one has the permissions of our own API only."""
LATER_ONES = "*"
"""Stands for the permissions that do not exist yet; no permission has this name."""
Read = Callable[[Any], Any]


@dataclass(frozen=True)
class PermissionDefinition:
    """A permission, and the audience of the tokens that contain it; None for our own."""

    name: str
    description: str
    audience: str | None = None
    built_in: bool = False


@dataclass(frozen=True)
class RoleDefinition:
    """A role: what it grants by itself, and the roles that it contains."""

    name: str
    description: str
    version: int
    permissions: frozenset[str] = frozenset()
    parents: tuple[str, ...] = ()

    @property
    def built_in(self) -> bool:
        """Whether the role is one of Gatehouse's own, which cannot be changed."""
        return self.name in BUILT_IN_ROLES


@dataclass(frozen=True)
class Catalog:
    """All roles and permissions, as they were at a version."""

    version: int
    roles: Mapping[str, RoleDefinition]
    permissions: Mapping[str, PermissionDefinition]

    def with_parents(self, roles: Iterable[str]) -> list[str]:
        """Return these roles, all roles that they contain, and `user`, sorted."""
        found: set[str] = set()
        pending = [DEFAULT_ROLE, *roles]
        while pending:
            name = pending.pop()
            if name not in found and name in self.roles:
                found.add(name)
                pending += self.roles[name].parents
        return sorted(found)

    def permissions_of(self, roles: Iterable[str]) -> frozenset[str]:
        """Return the permissions that the roles and those in them grant."""
        names = self.with_parents(roles)
        if ADMIN in names:
            return frozenset(self.permissions)
        granted = frozenset().union(*(self.roles[name].permissions for name in names))
        return granted & self.permissions.keys()

    def grants_of(self, roles: Iterable[str]) -> frozenset[str]:
        """Return the permissions of roles, and `LATER_ONES` if they contain `admin`.

        Who has all of today's permissions lacks those that `admin` gets tomorrow.
        """
        later = {LATER_ONES} if ADMIN in self.with_parents(roles) else frozenset[str]()
        return self.permissions_of(roles) | later

    def describe_role(self, name: str) -> dict[str, Any]:
        """Return a role as administrators see it."""
        role = self.roles[name]
        return {
            "name": name,
            "description": role.description,
            "built_in": role.built_in,
            "permissions": sorted(role.permissions),
            "parents": list(role.parents),
            "all_permissions": sorted(self.permissions_of([name])),
        }

    def describe_permission(self, name: str) -> dict[str, object]:
        """Return a permission as administrators see it."""
        permission = self.permissions[name]
        return {
            "name": name,
            "description": permission.description,
            "audience": permission.audience or config.settings().audience,
            "built_in": permission.built_in,
        }

    def scope_of(self, roles: Iterable[str]) -> str:
        """Return the scope (RFC 6749 section 3.3) of a token for our own audience, sorted."""
        names = self.with_parents(roles)
        granted = self.permissions_of(names)
        own = sorted(name for name in granted if self.permissions[name].audience is None)
        scope = " ".join(own)
        if ADMIN in names and len(scope) > MAX_ADMIN_SCOPE:
            return " ".join(sorted(DECLARED))
        return scope


def set_up(app: Flask) -> None:
    """Set up the memory of an application."""
    app.extensions[EXTENSION] = {}


def get_catalog(version: int) -> Catalog:
    """Return the catalogue, from memory if this is its version.

    Within a transaction it is read there: a second connection might have to wait for one that the
    pool has given to another request, which waits in the same way.
    """
    if db.session.info.get(CHANGED):
        return read_catalog()
    memory = cast(dict[str, Catalog], current_app.extensions[EXTENSION])
    catalog = memory.get("catalog")
    if catalog is None or catalog.version != version:
        is_in_transaction = db.session().in_transaction()
        catalog = memory["catalog"] = read_catalog() if is_in_transaction else _read(fetch_all)
    return catalog


def read_catalog() -> Catalog:
    """Read the catalogue in the current transaction, with the changes made there."""
    return _read(lambda statement: db.session.execute(statement).all())


@listens_for(Session, "after_transaction_end")
def _forget_change(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop(CHANGED, None)


def _read(read: Read) -> Catalog:
    """Read the versions first: what is newer than its version only outdates tokens too early."""
    [(version,)] = read(select(RoleCatalogVersion.version))
    roles = read(select(Role.name, Role.description, Role.version))
    granted = _group(read(select(RolePermission.role, RolePermission.permission)))
    parents = _group(read(select(RoleParent.role, RoleParent.parent)))
    rows = read(select(Permission.name, Permission.description, Permission.audience))
    permissions = {row.name: PermissionDefinition(*row) for row in rows} | _declared()
    definitions = {
        row.name: RoleDefinition(
            name=row.name,
            description=row.description,
            version=row.version,
            permissions=_built_in(row.name) | frozenset(granted.get(row.name, ())),
            parents=tuple(sorted(parents.get(row.name, ()))),
        )
        for row in roles
    }
    return Catalog(version, definitions, permissions)


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for role, value in pairs:
        grouped.setdefault(role, []).append(value)
    return grouped


def _declared() -> dict[str, PermissionDefinition]:
    return {
        name: PermissionDefinition(name, permission.description, built_in=True)
        for name, permission in DECLARED.items()
    }


def _built_in(role: str) -> frozenset[str]:
    """Return the declared permissions of a built-in role; those of `admin` are all anyway."""
    return frozenset(
        name for name, declared in DECLARED.items() if role == ADMIN or role in declared.roles
    )
