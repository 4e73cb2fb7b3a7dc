"""The roles of users and service accounts: which are assigned, and what they grant."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, literal_column, or_, select, update

from gatehouse.authorization import catalog
from gatehouse.authorization.permissions import DEFAULT_ROLE
from gatehouse.core import clock
from gatehouse.core.events import AuthorizationChanged, publish
from gatehouse.database.session import UTCDateTime, db
from gatehouse.tokens import authorization_changes
from models import Role, RoleAssignment, RoleCatalogVersion, User

USER_SUBJECT, SERVICE_ACCOUNT_SUBJECT = "user", "service_account"
"""The kinds of subjects that have roles."""
SEPARATOR: Any = literal_column("' '")  # a plain string is rendered at each execution
BUMP_VERSION = (
    update(User)
    .where(User.id == bindparam("changed_user"))
    .values(roles_version=User.roles_version + 1, updated_at=User.updated_at)
    .returning(User.roles_version)
)


@dataclass(frozen=True)
class EffectiveRoles:
    """The roles that a user has now, with the roles in them, and what they grant."""

    names: tuple[str, ...]
    scope: str
    versions: tuple[int, ...]
    """The version of the user's assignments, then those of the roles in `names`."""
    expire_at: datetime | None
    """When the first of the assignments expires."""


def is_active() -> ColumnElement[bool]:
    """Return the condition that an assignment is in no organization and has not expired."""
    now = bindparam("roles_now", callable_=clock.now, type_=UTCDateTime)
    unexpired = or_(RoleAssignment.expires_at.is_(None), RoleAssignment.expires_at > now)
    return RoleAssignment.organization_id.is_(None) & unexpired


def assignment_columns(subject_id: Any, kind: str = USER_SUBJECT) -> tuple[ColumnElement[Any], ...]:
    """Return columns for queries of subjects, from which `get_effective_roles` is made.

    They are the assigned roles, joined by spaces; when the first of them expires; and the version
    of the catalogue. Roles within an organization are not among them.
    """
    column = RoleAssignment.user_id if kind == USER_SUBJECT else RoleAssignment.subject_id
    own = select(RoleAssignment).where(
        column == subject_id, RoleAssignment.subject_kind == kind, is_active()
    )
    names = own.with_only_columns(func.aggregate_strings(RoleAssignment.role, SEPARATOR))
    expiry = own.with_only_columns(func.min(RoleAssignment.expires_at))
    return (
        names.correlate_except(RoleAssignment).scalar_subquery().label("given_roles"),
        expiry.correlate_except(RoleAssignment).scalar_subquery().label("roles_expire_at"),
        select(RoleCatalogVersion.version).scalar_subquery().label("catalog_version"),
    )


def get_effective_roles(row: Any, version: int) -> EffectiveRoles:
    """Return the roles of a user from a row with `assignment_columns`; every user has `user`."""
    roles = catalog.get_catalog(row.catalog_version)
    names = roles.with_parents((row.given_roles or "").split())
    return EffectiveRoles(
        names=tuple(names),
        scope=roles.scope_of(names),
        versions=(version, *(roles.roles[name].version for name in names)),
        expire_at=row.roles_expire_at,
    )


def assign_role(user_id: UUID, role: str) -> bool:
    """Assign a role to a user, in no organization; return whether that is a change."""
    same = select(RoleAssignment.id).where(
        RoleAssignment.user_id == user_id,
        RoleAssignment.role == role,
        RoleAssignment.organization_id.is_(None),
    )
    if role != DEFAULT_ROLE and db.session.scalar(same) is None:
        row = RoleAssignment(
            subject_kind=USER_SUBJECT, subject_id=user_id, user_id=user_id, role=role
        )
        db.session.add(row)
        db.session.flush()
        outdate_tokens(user_id)
        return True
    return False


def list_assigned_roles(user_id: UUID) -> tuple[str, ...]:
    """Return the roles that are assigned to a user, sorted; all users have `user` besides."""
    own = select(RoleAssignment.role).where(RoleAssignment.user_id == user_id, is_active())
    return tuple(sorted(db.session.scalars(own)))


def outdate_tokens(user_id: UUID) -> None:
    """Outdate the access tokens of a user whose roles have changed; clients refresh them."""
    version = db.session.scalar(BUMP_VERSION, {"changed_user": user_id})
    if version is not None:
        authorization_changes.record_change(authorization_changes.USER, str(user_id), version)
        publish(AuthorizationChanged())


def role_exists(role: str) -> bool:
    """Return whether a role of this name exists."""
    return db.session.get(Role, role) is not None


def list_role_names() -> list[str]:
    """Return the names of all roles, sorted."""
    return sorted(db.session.scalars(select(Role.name)))
