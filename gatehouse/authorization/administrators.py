"""The last administrator: the service always keeps one who can sign in and whose role stays."""

from uuid import UUID

from sqlalchemy import ColumnElement, exists, select

from gatehouse.authorization import delegation
from gatehouse.authorization.errors import LastAdministrator
from gatehouse.authorization.permissions import ADMIN
from gatehouse.core.events import UserDisabled
from gatehouse.database.session import db
from gatehouse.web.request_context import RequestContext
from models import RoleAssignment, User


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
