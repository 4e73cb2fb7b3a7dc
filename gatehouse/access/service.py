"""Who has which role."""

from uuid import UUID

from sqlalchemy import select

from gatehouse.foundation.database import db
from models import Role, UserRole

EVERYONE = "user"


def roles_of(user_id: UUID) -> list[str]:
    """Return the person's roles, sorted; everyone has `user`."""
    given = db.session.scalars(select(UserRole.role).where(UserRole.user_id == user_id))
    return sorted({EVERYONE, *given})


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
