"""The grace period: how long a user who must have a second factor may enrol it with the first.

It starts when a policy first requires a factor of the user: with the policy, or with the account or
role if that is newer. Tightening the policy does not restart it for users who were covered already.
Users cannot influence it, and it passes without logins, so that an unused account does not stay
open to an attacker who has its password.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select, update

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.authorization.permissions import DEFAULT_ROLE
from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.sessions import assurance
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext
from models import Role, RoleAssignment, User

MIN_EXTENSION = timedelta(days=1)
"""The shortest extension by an operator, even where the grace period is shorter or 0."""


def note_policy_start() -> None:
    """Record for each role since when it requires a factor, in the current transaction.

    Times that are recorded already stay.
    """
    unset = update(Role).where(
        Role.mfa_required_since.is_(None), Role.name.in_(assurance.mfa_roles())
    )
    db.session.execute(unset.values(mfa_required_since=clock.now()))


def is_open(user: User) -> bool:
    """Return whether a user who must have a factor is still within the grace period.

    The policy's start must have been recorded (`note_policy_start`).
    """
    now, length = clock.now(), config.settings().mfa_grace_period
    starts = (
        max(row.required_since, row.assigned_at or user.created_at) for row in _policy_starts(user)
    )
    started_at = min(starts, default=user.created_at)
    return now < started_at + length or (
        user.mfa_grace_extended_at is not None and now < _extended_until(user)
    )


def extend(user_id: UUID, context: RequestContext, reason: str | None = None) -> datetime:
    """Restart the grace period of a user, for an operator; return when it ends.

    Raises:
        NotFound: there is no such user.
    """
    with write_transaction():
        user = users.require_user(user_id)
        user.mfa_grace_extended_at = clock.now()
        record(events.Factor.GRACE_EXTENDED, context, user_id=user.id, reason=reason)
    return _extended_until(user)


def _extended_until(user: User) -> datetime:
    started_at = user.mfa_grace_extended_at or user.created_at
    return started_at + max(MIN_EXTENSION, config.settings().mfa_grace_period)


def _policy_starts(user: User) -> Sequence[Any]:
    """Return, for each role of the user that requires a factor, since when, and when assigned.

    `assigned_at` is None for the role that all users have.
    """
    columns = (
        Role.mfa_required_since.label("required_since"),
        RoleAssignment.created_at.label("assigned_at"),
    )
    assignment = and_(
        RoleAssignment.role == Role.name,
        RoleAssignment.user_id == user.id,
        RoleAssignment.organization_id.is_(None),
    )
    assigned = or_(Role.name == DEFAULT_ROLE, RoleAssignment.user_id.is_not(None))
    rows = select(*columns).select_from(Role).outerjoin(RoleAssignment, assignment)
    return db.session.execute(rows.where(Role.mfa_required_since.is_not(None), assigned)).all()
