"""Revoke the access tokens of ended sessions: here immediately, in other workers within 1 s.

Each worker keeps the revocations in memory and reads new rows every 0.4 s (see `sync`), so no
request queries the database for them. Rows commit out of order and clocks differ a little, so each
read starts at the newest row seen, less an overlap.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, event, select
from sqlalchemy.orm import Session

from gatehouse.core import clock
from gatehouse.core.events import SessionEnded
from gatehouse.database.session import db
from gatehouse.database.statements import fetch_all
from gatehouse.tokens.worker_state import TokenState, state
from models import Revocation, TokenStatusEntry

OVERLAP = timedelta(seconds=30)
MAX_TOKEN_LIFETIME = timedelta(seconds=900 + 60)
"""The longest lifetime that settings allow for access tokens, and a minute for clock skew."""
NEW_REVOCATIONS = select(
    Revocation.session_id, Revocation.status_index, Revocation.revoked_at, Revocation.expires_at
).where(Revocation.revoked_at > bindparam("since"))


def revoke_access_tokens(event: SessionEnded) -> None:
    """Revoke the access tokens of an ended session, in the current transaction."""
    session_id, now = event.session_id, clock.now()
    row = Revocation(session_id=session_id, revoked_at=now, expires_at=now + MAX_TOKEN_LIFETIME)
    index = select(TokenStatusEntry.status_index).where(TokenStatusEntry.session_id == session_id)
    row.status_index = db.session.scalar(index)
    db.session.merge(row)
    revoked = (str(session_id), row.status_index, row.expires_at)
    db.session.info.setdefault("revoked", []).append(revoked)


def read_new_revocations(tokens: TokenState) -> None:
    """Read the rows that are newer than the newest one seen, less the overlap."""
    since = clock.UNIX_EPOCH
    if tokens.newest_revocation:
        newest = min(tokens.newest_revocation, clock.now())  # a clock may be fast
        since = newest - OVERLAP
    for session_id, status_index, revoked_at, expires_at in fetch_all(NEW_REVOCATIONS, since=since):
        tokens.add_revocation(str(session_id), status_index, expires_at)
        tokens.newest_revocation = max(tokens.newest_revocation or revoked_at, revoked_at)
    _drop_expired(tokens, clock.now())


def purge_expired() -> None:
    """Delete the revocations whose access tokens have all expired."""
    db.session.execute(delete(Revocation).where(Revocation.expires_at < clock.now()))


def _drop_expired(tokens: TokenState, now: datetime) -> None:
    """Drop expired revocations from memory; a cached status list may keep their bits."""
    caches: tuple[dict[Any, datetime], ...] = (tokens.revoked, tokens.status_indexes)
    for cache in caches:
        for key, expires_at in cache.copy().items():  # requests add entries concurrently
            if expires_at < now:
                cache.pop(key, None)


@event.listens_for(Session, "after_commit")
def _apply_revocations(session: Session) -> None:
    for revoked in session.info.pop("revoked", ()):
        state().add_revocation(*revoked)


@event.listens_for(Session, "after_rollback")
def _discard_revocations(session: Session) -> None:
    session.info.pop("revoked", None)
