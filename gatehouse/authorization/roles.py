"""Roles: which exist, and which a user has."""

from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, func, literal_column, select

from gatehouse.database.session import db
from models import Role, UserRole

DEFAULT_ROLE = "user"
SEPARATOR: Any = literal_column("' '")  # a plain string is rendered at each execution


def assigned_roles(user_id: Any) -> ScalarSelect[str]:
    """Return a column for queries of users: the roles assigned to the user, joined by spaces."""
    names = select(func.aggregate_strings(UserRole.role, SEPARATOR)).where(
        UserRole.user_id == user_id
    )
    return names.correlate_except(UserRole).scalar_subquery()


def effective_roles(assigned: str | None) -> list[str]:
    """Return the roles of a user, sorted, from `assigned_roles`; every user has `user`."""
    return sorted({DEFAULT_ROLE, *(assigned or "").split()})


def assign_role(user_id: UUID, role: str) -> None:
    """Assign a role to a user; assigning it again changes nothing."""
    if role != DEFAULT_ROLE:
        db.session.merge(UserRole(user_id=user_id, role=role))


def role_exists(role: str) -> bool:
    """Return whether a role of this name exists."""
    return db.session.get(Role, role) is not None


def list_role_names() -> list[str]:
    """Return the names of all roles, sorted."""
    return sorted(db.session.scalars(select(Role.name)))
