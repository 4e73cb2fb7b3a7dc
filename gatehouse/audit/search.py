"""Read the audit log: the events of a user, the newest first."""

from uuid import UUID

from sqlalchemy import select

from gatehouse.database.pages import NewestFirst, Position
from gatehouse.web.user_agent import device_name
from models import AuditEvent

ORDER = NewestFirst(AuditEvent.at, AuditEvent.id)


def list_events_of_user(
    user_id: UUID, limit: int, after: Position | None = None
) -> tuple[list[AuditEvent], Position | None]:
    """Return a page of the events that concern a user, and where the next page begins."""
    found = select(AuditEvent).where(AuditEvent.user_id == user_id)
    page, following = ORDER.fetch_page(found, limit, after)
    return [row.AuditEvent for row in page], following


def serialize(event: AuditEvent) -> dict[str, object]:
    """Return an event as readers of the log see it."""
    actor = {"kind": event.actor_kind, "id": event.actor_id, "client_id": event.client_id}
    return {
        "id": event.id,
        "at": event.at,
        "name": event.name,
        "outcome": event.outcome,
        "user_id": event.user_id,
        "actor": actor,
        "target_kind": event.target_kind,
        "target_id": event.target_id,
        "session_id": event.session_id,
        "request_id": event.request_id,
        "ip_address": event.ip_address,
        "device": device_name(event.user_agent),
        "details": event.details,
    }
