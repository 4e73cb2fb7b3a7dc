"""Delete what no client can use any more: codes and grants that have expired."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select

from gatehouse.core import clock
from gatehouse.database.session import db
from models import OAuthGrant

BATCH_SIZE = 1000
"""Rows that one statement deletes; each has to end within five seconds."""
CODE_RETENTION = timedelta(hours=1)
"""How long an expired code is kept, so that a step of the clock makes none valid again."""
UNSYNCHRONIZED = {"synchronize_session": False}


def purge_unredeemed() -> bool:
    """Delete a batch of grants whose codes expired unused; return whether there may be more."""
    is_expired = OAuthGrant.code_expires_at < clock.now() - CODE_RETENTION
    return _purge_grants(OAuthGrant.code_used_at.is_(None), is_expired)


def purge_ended(before: datetime) -> bool:
    """Delete a batch of grants that ended or expired before a time, as sessions are deleted.

    Returns:
        Whether there may be more.
    """
    return _purge_grants(or_(OAuthGrant.expires_at < before, OAuthGrant.ended_at < before))


def _purge_grants(*conditions: ColumnElement[bool]) -> bool:
    ids = db.session.scalars(select(OAuthGrant.id).where(*conditions).limit(BATCH_SIZE)).all()
    rows = delete(OAuthGrant).where(OAuthGrant.id.in_(ids))
    db.session.execute(rows, execution_options=UNSYNCHRONIZED)
    return len(ids) == BATCH_SIZE
