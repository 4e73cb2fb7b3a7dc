"""Outdate access tokens after a change of what their user or a role may do.

Tokens name the versions of their user's assignments and of each role. Like the revocations, the
newest version of each is kept in memory: a token that names an older one counts as expired, so that
its client refreshes it. Tokens of a service version that named none are judged by when they were
issued.
"""

from datetime import datetime
from functools import partial

from sqlalchemy import bindparam, delete, select

from gatehouse.core import clock
from gatehouse.database.after_commit import run_after_commit
from gatehouse.database.clock import database_time, follow_once, read_clock
from gatehouse.database.session import db
from gatehouse.database.statements import fetch_all
from gatehouse.tokens.feed import FeedWindow
from gatehouse.tokens.revocation import MAX_TOKEN_LIFETIME, STEP_MAY_RETURN
from gatehouse.tokens.worker_state import TokenState, VersionChange, state
from models import AuthorizationChange

USER, ROLE = "user", "role"
SELECT_CHANGES = select(
    AuthorizationChange.subject_kind,
    AuthorizationChange.subject,
    AuthorizationChange.version,
    AuthorizationChange.changed_at,
    AuthorizationChange.expires_at,
).where(
    AuthorizationChange.changed_at > bindparam("since"),
    AuthorizationChange.expires_at > bindparam("unexpired_at"),
)


def record_change(kind: str, subject: str, version: int) -> None:
    """Outdate the tokens that name an older version, in the current transaction."""
    follow_once()
    now = clock.now()
    row = AuthorizationChange(subject_kind=kind, subject=subject, version=version)
    row.expires_at = clock.latest_time() + MAX_TOKEN_LIFETIME
    row.changed_at = database_time()
    db.session.merge(row)
    change = VersionChange(version, int(now.timestamp()), row.expires_at)
    run_after_commit(partial(state().add_change, kind, subject, change))


def read_changes(tokens: TokenState, window: FeedWindow) -> None:
    """Add the changes of a window to the state of this worker."""
    values = {"since": window.since, "unexpired_at": window.unexpired_at}
    for kind, subject, version, changed_at, expires_at in fetch_all(SELECT_CHANGES, **values):
        change = VersionChange(version, int(changed_at.timestamp()), expires_at)
        tokens.add_change(kind, subject, change)


def drop_expired(tokens: TokenState, now: datetime) -> None:
    """Drop the changes from memory whose outdated tokens have all expired."""
    for changes in tokens.changes.values():
        for subject, change in changes.copy().items():  # requests add entries concurrently
            if change.expires_at < now:
                changes.pop(subject, None)


def purge_expired() -> None:
    """Delete the changes whose outdated tokens have all expired, by every clock."""
    if not state().clock.has_stepped_within(STEP_MAY_RETURN):
        expired = AuthorizationChange.expires_at < min(read_clock().time, clock.now())
        db.session.execute(delete(AuthorizationChange).where(expired))
