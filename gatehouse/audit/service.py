"""Recording events. The chain, the search and the exporters come with their own issue."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Insert, bindparam
from sqlalchemy.event import listens_for
from sqlalchemy.orm import Session, SessionTransaction

from gatehouse.audit.events import Event
from gatehouse.core import clock, crypto, metrics
from gatehouse.database.direct_sql import execute
from gatehouse.database.session import db
from gatehouse.web.request_context import Visitor
from models import AuditEvent

_events = AuditEvent.metadata.tables["audit_events"]
BATCH = 100
"""Events that one statement writes."""


def record(
    event: Event,
    visitor: Visitor,
    *,
    user_id: UUID | None = None,
    session_id: UUID | None = None,
    **details: Any,
) -> None:
    """Add an event to the current transaction; `details` are plain values and never secrets.

    The events of a transaction are written together, by its last statement before the commit.
    """
    row = {
        "id": crypto.new_id(),
        "at": clock.now(),
        "name": event.name,
        "outcome": event.outcome,
        "user_id": user_id,
        "session_id": session_id,
        "request_id": visitor.request_id,
        "address": visitor.address,
        "user_agent": visitor.user_agent,
        "details": details,
    }
    session = db.session()
    if not session.in_transaction():
        session.begin()  # with whose end the events are over, too
    session.info.setdefault("events", []).append(row)


@listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    waiting = session.info.get("events")
    if not waiting:
        return
    connection = session.connection()
    # SQLite has no round trips to save, and SQLAlchemy would compose what writes many each time
    size = BATCH if connection.dialect.name == "postgresql" else 1
    for start in range(0, len(waiting), size):
        rows = waiting[start : start + size]
        named = {f"{name}_{n}": value for n, row in enumerate(rows) for name, value in row.items()}
        execute(connection, _writing(len(rows)), named)


@cache
def _writing(count: int) -> Insert:
    """Return the statement that writes so many events."""
    columns = _events.columns
    rows = [{c: bindparam(f"{c.name}_{n}", type_=c.type) for c in columns} for n in range(count)]
    return _events.insert().values(rows if count > 1 else rows[0])


@listens_for(Session, "after_commit")
def _count(session: Session) -> None:
    for row in session.info.get("events", ()):
        metrics.EVENTS.labels(row["name"]).inc()


@listens_for(Session, "after_transaction_end")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop("events", None)
