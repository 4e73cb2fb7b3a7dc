"""Revoke the access tokens of ended sessions: here immediately, in other workers within 1 s.

Each worker keeps the revocations in memory and reads new rows every 0.4 s (see `sync` and `feed`),
so no request queries the database for them.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import bindparam, delete, select

from gatehouse.core import clock
from gatehouse.core.events import SessionEnded
from gatehouse.database.after_commit import run_after_commit
from gatehouse.database.clock import database_time, follow_once, read_clock
from gatehouse.database.session import db
from gatehouse.database.statements import fetch_all
from gatehouse.tokens.feed import FeedWindow
from gatehouse.tokens.worker_state import TokenState, state
from models import Revocation, TokenStatusEntry

MAX_TOKEN_LIFETIME = timedelta(seconds=900 + 60)
"""The longest lifetime that settings allow for access tokens, and a minute for clock skew."""
STEP_MAY_RETURN = timedelta(hours=1)
SELECT_REVOCATIONS = select(
    Revocation.session_id, Revocation.status_index, Revocation.expires_at
).where(
    Revocation.revoked_at > bindparam("since"), Revocation.expires_at > bindparam("unexpired_at")
)


def revoke_access_tokens(event: SessionEnded[object]) -> None:
    """Revoke the access tokens of an ended session, in the current transaction."""
    follow_once()
    session_id, expires_at = event.session_id, clock.latest_time() + MAX_TOKEN_LIFETIME
    row = Revocation(session_id=session_id, expires_at=expires_at)
    row.revoked_at = database_time()
    index = select(TokenStatusEntry.status_index).where(TokenStatusEntry.session_id == session_id)
    row.status_index = db.session.scalar(index)
    db.session.merge(row)
    revoked = (str(session_id), row.status_index, row.expires_at)
    run_after_commit(partial(state().add_revocation, *revoked))


def read_revocations(tokens: TokenState, window: FeedWindow) -> None:
    """Add the ended sessions of a window to the state of this worker."""
    values = {"since": window.since, "unexpired_at": window.unexpired_at}
    for session_id, status_index, expires_at in fetch_all(SELECT_REVOCATIONS, **values):
        tokens.add_revocation(str(session_id), status_index, expires_at)


def drop_expired(tokens: TokenState, now: datetime) -> None:
    """Drop expired revocations from memory; a cached status list may keep their bits."""
    caches: tuple[dict[Any, datetime], ...] = (tokens.revoked, tokens.status_indexes)
    for cache in caches:
        for key, expires_at in cache.copy().items():  # requests add entries concurrently
            if expires_at < now:
                cache.pop(key, None)


def purge_expired() -> None:
    """Delete the revocations whose access tokens have all expired, by every clock.

    None is deleted for an hour after a step of the database's clock: it may return.
    """
    if not state().clock.has_stepped_within(STEP_MAY_RETURN):
        expired = Revocation.expires_at < min(read_clock().time, clock.now())
        db.session.execute(delete(Revocation).where(expired))
