"""Who has which role."""

from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, func, literal_column, select

from gatehouse.database.session import db
from models import Role, UserRole

EVERYONE = "user"
SPACE: Any = literal_column("' '")  # a plain one would be put into the statement anew each time


def given_roles(user_id: Any) -> ScalarSelect[str]:
    """Return a column for queries about people: the roles they were given, joined by spaces."""
    names = select(func.aggregate_strings(UserRole.role, SPACE)).where(UserRole.user_id == user_id)
    return names.correlate_except(UserRole).scalar_subquery()


def roles(given: str | None) -> list[str]:
    """Return a person's roles, sorted, from that column; everyone has `user`."""
    return sorted({EVERYONE, *(given or "").split()})


def grant(user_id: UUID, role: str) -> None:
    """Give a person a role; giving it again changes nothing."""
    if role != EVERYONE:
        db.session.merge(UserRole(user_id=user_id, role=role))


def exists(role: str) -> bool:
    """Tell whether there is a role of this name."""
    return db.session.get(Role, role) is not None


def names() -> list[str]:
    """Return the names of all roles, sorted."""
    return sorted(db.session.scalars(select(Role.name)))
