"""Record audit events, in the transaction of what they report."""

from uuid import UUID

from sqlalchemy.event import listens_for
from sqlalchemy.orm import Session, SessionTransaction

from gatehouse.audit.event import Event
from gatehouse.core import clock, crypto, metrics
from gatehouse.database.session import db
from gatehouse.web.request_context import RequestContext
from models import AuditEvent

INSERT_EVENT = AuditEvent.metadata.tables["audit_events"].insert()
TARGETS = {
    "session": ("session", "session_id"),
    "impersonation": ("session", "session_id"),
    "factor": ("factor", "factor_id"),
    "passkey": ("factor", "factor_id"),
    "delivery": ("message", "message"),
    "key": ("signing_key", "kid"),
    "role": ("role", "role"),
    "permission": ("permission", "permission"),
    "service_account": ("service_account", "service_account_id"),
    "hook": ("hook", "hook_id"),
    "api_key": ("api_key", "api_key_id"),
    "grant": ("grant", "grant_id"),
    "client": ("client", "client"),
    "resource": ("resource", "audience"),
}
"""What events affect besides a user, and the value with its id, by the first part of their name."""


def record(
    event: Event,
    context: RequestContext,
    *,
    user_id: UUID | None = None,
    session_id: UUID | None = None,
    **details: object,
) -> None:
    """Add an event to the current transaction; `details` are JSON values and never secrets.

    A `reason` that is empty or None is left out.

    All events of a transaction are written together, just before its commit.
    """
    if not details.get("reason", True):
        del details["reason"]
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
        "actor_kind": context.actor.kind,
        "actor_id": context.actor.id,
        "client_id": context.actor.client_id,
        "details": details,
        **_target_of(event, details | {"session_id": session_id}),
    }
    session = db.session()
    if not session.in_transaction():
        session.begin()  # the end of a transaction discards its events
    session.info.setdefault("events", []).append(row)


def _target_of(event: Event, values: dict[str, object]) -> dict[str, str | None]:
    kind, id_name = TARGETS.get(event.name.partition(".")[0], (None, ""))
    target_id = values.get(id_name)
    if target_id is None:
        return {"target_kind": None, "target_id": None}
    return {"target_kind": kind, "target_id": str(target_id)}


@listens_for(Session, "before_commit")
def _write_events(session: Session) -> None:
    is_release = session.in_nested_transaction()  # of a savepoint, which ends nothing
    if not is_release and (pending := session.info.get("events")):
        session.connection().execute(INSERT_EVENT, pending)


@listens_for(Session, "after_commit")
def _count_events(session: Session) -> None:
    for row in session.info.get("events", ()):
        metrics.EVENTS.labels(row["name"]).inc()


@listens_for(Session, "after_transaction_end")
def _discard_events(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop("events", None)
