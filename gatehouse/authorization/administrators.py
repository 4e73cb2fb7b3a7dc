"""Administrators: who has a permission; and the last one, who can always sign in and stays one."""

from uuid import UUID

from sqlalchemy import ColumnElement, exists, select

from gatehouse.authorization import catalog, delegation, roles
from gatehouse.authorization.errors import LastAdministrator
from gatehouse.authorization.permissions import ADMIN
from gatehouse.core.events import UserDisabled
from gatehouse.database.session import db
from gatehouse.web.request_context import RequestContext
from models import RoleAssignment, User

MAX_HOLDERS = 100
"""At most so many administrators are notified of one thing."""


def require_another_administrator(user_id: UUID) -> None:
    """Require that there is another administrator if this user is one.

    Administrators count if they have `admin` without expiry and a verified e-mail address, and are
    enabled. One lock makes this true in parallel, too: it is held until the transaction ends.

    Raises:
        LastAdministrator: there is no other.
    """
    delegation.lock_administration()
    enabled = User.disabled_at.is_(None)
    is_administrator = _exists_administrator(User.id == user_id)
    if is_administrator and not _exists_administrator(User.id != user_id, enabled):
        raise LastAdministrator


def keep_another_administrator(event: UserDisabled[RequestContext]) -> None:
    """Reject that the last administrator is disabled or deleted.

    Raises:
        LastAdministrator: the user is the last administrator.
    """
    require_another_administrator(event.user_id)


def list_holders(permission: str) -> list[User]:
    """Return the enabled, verified users whose roles grant a permission now, at most 100."""
    known = catalog.read_catalog()
    granting = [name for name in known.roles if permission in known.grants_of([name])]
    holders = select(User).join(RoleAssignment, RoleAssignment.user_id == User.id)
    holders = holders.where(RoleAssignment.role.in_(granting), roles.is_active())
    holders = holders.where(User.disabled_at.is_(None), User.email_verified_at.is_not(None))
    return list(db.session.scalars(holders.distinct().order_by(User.id).limit(MAX_HOLDERS)))


def _exists_administrator(*conditions: ColumnElement[bool]) -> bool:
    """Return whether there is a verified administrator without expiry, with these conditions."""
    found = (
        select(User.id)
        .join(RoleAssignment, RoleAssignment.user_id == User.id)
        .where(RoleAssignment.role == ADMIN, RoleAssignment.organization_id.is_(None))
        .where(RoleAssignment.expires_at.is_(None), User.email_verified_at.is_not(None))
        .where(*conditions)
    )
    return bool(db.session.scalar(select(exists(found))))
