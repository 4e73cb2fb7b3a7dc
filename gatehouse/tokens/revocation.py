"""Ended sessions whose access tokens still live: dead here at once, elsewhere within a second.

Each worker keeps them in memory and reads the new rows every 0.4 s (see `watch`); nobody asks the
database on a request. Rows commit out of order and clocks differ a little, so each reading goes
back to the newest row seen less an overlap.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, event, select
from sqlalchemy.orm import Session

from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.database.statements import read_all
from gatehouse.tokens.worker_state import TokenState, state
from models import Revocation, StatusEntry

OVERLAP = timedelta(seconds=30)
LONGEST_TOKEN = timedelta(seconds=900 + 60)
"""No setting lets an access token live longer; a minute for clocks that differ."""
NEW = select(
    Revocation.session_id, Revocation.position, Revocation.revoked_at, Revocation.forget_at
).where(Revocation.revoked_at > bindparam("since"))


def revoke(session_id: UUID) -> None:
    """Kill the access tokens of a session, in the current transaction."""
    now = clock.now()
    row = Revocation(session_id=session_id, revoked_at=now, forget_at=now + LONGEST_TOKEN)
    place = select(StatusEntry.position).where(StatusEntry.session_id == session_id)
    row.position = db.session.scalar(place)
    db.session.merge(row)
    ended = (str(session_id), row.position, row.forget_at)
    db.session.info.setdefault("revoked", []).append(ended)


def read_new(tokens: TokenState) -> None:
    """Take up the rows that are newer than the newest seen less the overlap."""
    since = clock.EPOCH
    if tokens.newest_revocation:
        newest = min(tokens.newest_revocation, clock.now())  # a row from a clock that is fast
        since = newest - OVERLAP
    for session_id, position, revoked_at, forget_at in read_all(NEW, since=since):
        tokens.end(str(session_id), position, forget_at)
        tokens.newest_revocation = max(tokens.newest_revocation or revoked_at, revoked_at)
    _forget(tokens, clock.now())


def purge() -> None:
    """Delete the rows whose tokens have all expired."""
    db.session.execute(delete(Revocation).where(Revocation.forget_at < clock.now()))


def _forget(tokens: TokenState, now: datetime) -> None:
    """Forget ended sessions and their places; a list that has such a bit still tells no lie."""
    memories: tuple[dict[Any, datetime], ...] = (tokens.revoked, tokens.places)
    for memory in memories:
        for one, forget_at in memory.copy().items():  # requests add to it meanwhile
            if forget_at < now:
                memory.pop(one, None)


@event.listens_for(Session, "after_commit")
def _revoke_here(session: Session) -> None:
    for ended in session.info.pop("revoked", ()):
        state().end(*ended)


@event.listens_for(Session, "after_rollback")
def _revoke_nothing(session: Session) -> None:
    session.info.pop("revoked", None)
