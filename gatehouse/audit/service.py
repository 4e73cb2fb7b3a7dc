"""Recording events. The chain, the search and the exporters come with their own issue."""

from typing import Any
from uuid import UUID

from sqlalchemy.event import listens_for
from sqlalchemy.orm import Session

from gatehouse.audit.events import Event
from gatehouse.foundation import metrics
from gatehouse.foundation.database import db
from gatehouse.foundation.visitor import Visitor
from models import AuditEvent


def record(
    event: Event,
    visitor: Visitor,
    *,
    user_id: UUID | None = None,
    session_id: UUID | None = None,
    **details: Any,
) -> None:
    """Add an event to the current transaction; `details` are plain values and never secrets."""
    row = AuditEvent(
        name=event.name,
        outcome=event.outcome,
        user_id=user_id,
        session_id=session_id,
        request_id=visitor.request_id,
        address=visitor.address,
        user_agent=visitor.user_agent,
        details=details,
    )
    db.session.add(row)
    db.session.info.setdefault("events", []).append(event.name)


@listens_for(Session, "after_commit")
def _count(session: Session) -> None:
    for name in session.info.pop("events", ()):
        metrics.EVENTS.labels(name).inc()


@listens_for(Session, "after_rollback")
def _count_nothing(session: Session) -> None:
    session.info.pop("events", None)
