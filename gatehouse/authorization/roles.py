"""Roles: which exist, and which a user has."""

from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, func, literal_column, select

from gatehouse.database.session import db
from models import Role, RoleAssignment

DEFAULT_ROLE = "user"
USER = "user"
"""The kind of subjects that are users."""
SEPARATOR: Any = literal_column("' '")  # a plain string is rendered at each execution


def assigned_roles(user_id: Any) -> ScalarSelect[str]:
    """Return a column for queries of users: the roles assigned to the user, joined by spaces.

    Roles within an organization are not among them.
    """
    names = select(func.aggregate_strings(RoleAssignment.role, SEPARATOR)).where(
        RoleAssignment.user_id == user_id,
        RoleAssignment.subject_kind == USER,
        RoleAssignment.organization_id.is_(None),
    )
    return names.correlate_except(RoleAssignment).scalar_subquery()


def effective_roles(assigned: str | None) -> list[str]:
    """Return the roles of a user, sorted, from `assigned_roles`; every user has `user`."""
    return sorted({DEFAULT_ROLE, *(assigned or "").split()})


def assign_role(user_id: UUID, role: str) -> None:
    """Assign a role to a user, in no organization; assigning it again changes nothing."""
    same = select(RoleAssignment.id).where(
        RoleAssignment.user_id == user_id,
        RoleAssignment.role == role,
        RoleAssignment.organization_id.is_(None),
    )
    if role != DEFAULT_ROLE and db.session.scalar(same) is None:
        row = RoleAssignment(subject_kind=USER, subject_id=user_id, user_id=user_id, role=role)
        db.session.add(row)


def role_exists(role: str) -> bool:
    """Return whether a role of this name exists."""
    return db.session.get(Role, role) is not None


def list_role_names() -> list[str]:
    """Return the names of all roles, sorted."""
    return sorted(db.session.scalars(select(Role.name)))
