"""The refresh tokens of a session: create the next one, find the current one, detect reuse."""

from datetime import datetime

from sqlalchemy import select

import config
from gatehouse.core import crypto
from gatehouse.database.session import db
from models import RefreshToken, Session


def new_token(session: Session, now: datetime) -> RefreshToken:
    """Return a new token that expires at the idle limit, or with the session if that is sooner."""
    settings = config.settings()
    expires_at = session.idle_at = min(now + settings.session_idle_timeout, session.expires_at)
    times = {"issued_at": now, "expires_at": expires_at}
    return RefreshToken(id=crypto.new_id(), session_id=session.id, **times)


def issue_token(session: Session, now: datetime) -> RefreshToken:
    """Create the session's next refresh token in the current transaction."""
    token = new_token(session, now)
    db.session.add(token)
    return token


def current_token(session: Session) -> RefreshToken:
    """Return the session's unused refresh token; there is always one."""
    unused = RefreshToken.used_at.is_(None)
    rows = select(RefreshToken).where(RefreshToken.session_id == session.id, unused)
    return db.session.scalars(rows).one()


def is_reused(token: RefreshToken, now: datetime) -> bool:
    """Return whether a token was used before and the reuse interval since then has passed.

    Where clocks differ, the time since then may be negative.
    """
    if token.used_at is None:
        return False
    reuse_interval = config.settings().refresh_reuse_interval
    return not reuse_interval or now - token.used_at >= reuse_interval
