"""How long the first step alone lets somebody set up the factor that the policy wants of them.

It is counted from when a policy wanted it of them first: from that policy, or from their account or
role where that is younger. To tighten the policy does not begin it anew for those of whom an older
one wanted a factor already. Nothing of it is theirs to change, and nobody has to sign in for it to
pass, so that an account which nobody uses is not open to whoever has its password.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.authorization.roles import EVERYONE
from gatehouse.core import clock
from gatehouse.database.session import db, writing
from gatehouse.sessions import assurance
from gatehouse.users import service as users
from gatehouse.web.request_context import Visitor
from models import Role, User, UserRole

RENEWED = timedelta(days=1)
"""What an operator gives at the least, also where there is no grace otherwise."""


def begin() -> None:
    """Note since when the policy wants a factor of whom, unless it is noted; in the transaction."""
    unnoted = update(Role).where(Role.mfa_wanted_at.is_(None), Role.name.in_(assurance.mfa_roles()))
    db.session.execute(unnoted.values(mfa_wanted_at=clock.now()))


def lasts(user: User) -> bool:
    """Tell whether it goes on for somebody of whom the policy wants a factor."""
    begin()
    now, length = clock.now(), config.settings().mfa_grace
    starts = (max(row.wanted_at, row.given_at or user.created_at) for row in _reasons(user))
    begun = min(starts, default=user.created_at)
    return now < begun + length or (user.mfa_renewed_at is not None and now < _renewed_until(user))


def renew(address: str, visitor: Visitor) -> datetime:
    """Let it begin anew for somebody, by an operator; return when it ends.

    Raises:
        LookupError: nobody has the address.
    """
    with writing():
        user = users.find(address)
        if user is None:
            raise LookupError(f"{address} has no account.")
        user.mfa_renewed_at = clock.now()
        record(events.Factor.GRACE_RENEWED, visitor, user_id=user.id)
    return _renewed_until(user)


def _renewed_until(user: User) -> datetime:
    begun = user.mfa_renewed_at or user.created_at
    return begun + max(RENEWED, config.settings().mfa_grace)


def _reasons(user: User) -> Sequence[Any]:
    """Return since when a policy wanted a factor with each of their roles, and they have it."""
    columns = (Role.mfa_wanted_at.label("wanted_at"), UserRole.created_at.label("given_at"))
    given = and_(UserRole.role == Role.name, UserRole.user_id == user.id)
    theirs = or_(Role.name == EVERYONE, UserRole.user_id.is_not(None))
    rows = select(*columns).select_from(Role).outerjoin(UserRole, given)
    return db.session.execute(rows.where(Role.mfa_wanted_at.is_not(None), theirs)).all()
