"""Revoke the access tokens of ended sessions: here immediately, in other workers within 1 s.

Each worker keeps the revocations in memory and reads new rows every 0.4 s (see `sync` and `feed`),
so no request queries the database for them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select

from gatehouse.core import clock
from gatehouse.core.events import SessionEnded
from gatehouse.database.after_commit import run_after_commit
from gatehouse.database.clock import database_time, follow_once, read_clock
from gatehouse.database.session import db
from gatehouse.database.statements import fetch_all
from gatehouse.tokens.claims import LIST_SIZE
from gatehouse.tokens.feed import FeedWindow
from gatehouse.tokens.worker_state import TokenState, state
from models import Revocation, TokenStatusEntry

MAX_TOKEN_LIFETIME = timedelta(seconds=900 + 60)
"""The longest lifetime that settings allow for access tokens, and a minute for clock skew."""
STEP_MAY_RETURN = timedelta(hours=1)
FIRST_GRANT_INDEX = LIST_SIZE * 2**20
"""Status lists of grants begin with number 2**20: sessions, which count on their own, end below."""
SELECT_REVOCATIONS = select(
    Revocation.session_id, Revocation.status_index, Revocation.expires_at
).where(
    Revocation.revoked_at > bindparam("since"), Revocation.expires_at > bindparam("unexpired_at")
)


def revoke_access_tokens(event: SessionEnded[object]) -> None:
    """Revoke the access tokens of an ended session, in the current transaction."""
    session_id = event.session_id
    index = select(TokenStatusEntry.status_index).where(TokenStatusEntry.session_id == session_id)
    follow_once()
    expires_at = clock.latest_time() + MAX_TOKEN_LIFETIME
    row = Revocation(session_id=session_id, expires_at=expires_at)
    row.status_index, row.revoked_at = db.session.scalar(index), database_time()
    db.session.merge(row)
    revoked = (str(session_id), row.status_index, row.expires_at)
    run_after_commit(partial(state().add_revocation, *revoked))


def revoke_token(token_id: UUID) -> None:
    """Revoke one access token of a client by its `jti`, in the current transaction.

    Its bit in the status lists is that of its grant, which goes on: it stays 0.
    """
    follow_once()
    expires_at = clock.latest_time() + MAX_TOKEN_LIFETIME
    row = Revocation(session_id=token_id, expires_at=expires_at, revoked_at=database_time())
    db.session.merge(row)
    run_after_commit(partial(state().add_revocation, str(token_id), None, expires_at))


def revoke_grants(status_indexes: Mapping[UUID, int | None]) -> None:
    """Revoke the access tokens of clients' grants, in the current transaction.

    The indexes, by the id of the grant, count in the lists of grants. No grant is revoked twice.
    """
    indexes = {
        grant_id: None if index is None else FIRST_GRANT_INDEX + index
        for grant_id, index in status_indexes.items()
    }
    follow_once()
    expires_at = clock.latest_time() + MAX_TOKEN_LIFETIME
    rows = [
        {"session_id": grant_id, "status_index": index, "expires_at": expires_at}
        for grant_id, index in indexes.items()
    ]
    now = Revocation.metadata.tables["revocations"].insert().values(revoked_at=database_time())
    db.session.execute(now, rows)
    for grant_id, index in indexes.items():
        run_after_commit(partial(state().add_revocation, str(grant_id), index, expires_at))


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
