"""Read the risk assessments of a user's logins and sessions, as they were recorded."""

from uuid import UUID

from gatehouse.audit import search as audit
from gatehouse.audit.events import Risk, Session
from gatehouse.database.pages import Position
from gatehouse.web.user_agent import device_name
from models import AuditEvent

EVENTS = (
    *(Risk.ASSESSED, Risk.REFUSED),
    *(Session.LOCATION_CHANGED, Session.DOWNGRADED, Session.REFUSED),
)
NAMES = tuple(event.name for event in EVENTS)


def list_assessments(
    user_id: UUID, limit: int, after: Position | None = None
) -> tuple[list[dict[str, object]], Position | None]:
    """Return a page of a user's assessments, the newest first, and where the next page begins."""
    events, following = audit.list_events_of_user(user_id, limit, after, NAMES)
    return [_describe(event) for event in events], following


def _describe(event: AuditEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "at": event.at,
        "name": event.name,
        "decision": event.details.get("decision"),
        "findings": event.details.get("findings", {}),
        "session_id": event.session_id,
        "request_id": event.request_id,
        "ip_address": event.ip_address,
        "device": device_name(event.user_agent),
    }
