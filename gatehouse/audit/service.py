"""Record audit events, in the transaction of what they report."""

from typing import Any
from uuid import UUID

from sqlalchemy.event import listens_for
from sqlalchemy.orm import Session, SessionTransaction

from gatehouse.audit.events import Event
from gatehouse.core import clock, crypto, metrics
from gatehouse.database.session import db
from gatehouse.web.request_context import RequestContext
from models import AuditEvent

INSERT_EVENT = AuditEvent.metadata.tables["audit_events"].insert()


def record(
    event: Event,
    context: RequestContext,
    *,
    user_id: UUID | None = None,
    session_id: UUID | None = None,
    **details: Any,
) -> None:
    """Add an event to the current transaction; `details` are JSON values and never secrets.

    All events of a transaction are written together, just before its commit.
    """
    row = {
        "id": crypto.new_id(),
        "at": clock.now(),
        "name": event.name,
        "outcome": event.outcome,
        "user_id": user_id,
        "session_id": session_id,
        "request_id": context.request_id,
        "ip_address": context.ip_address,
        "user_agent": context.user_agent,
        "details": details,
    }
    session = db.session()
    if not session.in_transaction():
        session.begin()  # the end of a transaction discards its events
    session.info.setdefault("events", []).append(row)


@listens_for(Session, "before_commit")
def _write_events(session: Session) -> None:
    if pending := session.info.get("events"):
        session.connection().execute(INSERT_EVENT, pending)


@listens_for(Session, "after_commit")
def _count_events(session: Session) -> None:
    for row in session.info.get("events", ()):
        metrics.EVENTS.labels(row["name"]).inc()


@listens_for(Session, "after_transaction_end")
def _discard_events(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop("events", None)
