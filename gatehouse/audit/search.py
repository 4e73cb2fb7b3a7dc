"""Read the audit log: the events of a user, or those of a name or a time, the newest first."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select

from gatehouse.audit.events import all_events
from gatehouse.database.pages import NewestFirst, Position
from gatehouse.web.user_agent import device_name
from models import AuditEvent

ORDER = NewestFirst(AuditEvent.at, AuditEvent.id)
NAMES = frozenset(event.name for event in all_events())
SEARCHABLE_NAMES = tuple(sorted(NAMES | {name.partition(".")[0] for name in NAMES}))
"""What `EventFilter.name` can be."""


def list_events_of_user(
    user_id: UUID,
    limit: int,
    after: Position | None = None,
    names: Collection[str] | None = None,
) -> tuple[list[AuditEvent], Position | None]:
    """Return a page of the events that concern a user, and where the next page begins.

    With `names`, only events of these names.
    """
    found = select(AuditEvent).where(AuditEvent.user_id == user_id)
    if names is not None:
        found = found.where(AuditEvent.name.in_(names))
    page, following = ORDER.fetch_page(found, limit, after)
    return [row.AuditEvent for row in page], following


@dataclass(frozen=True)
class EventFilter:
    """Which events to find; None does not restrict."""

    user_id: UUID | None = None
    actor_id: UUID | None = None
    """Who did it to others, or to what belongs to no user."""
    name: str | None = None
    """A name, such as `login.succeeded`, or the first part of several, such as `login`."""
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """Yield what must hold."""
        if self.user_id:
            yield AuditEvent.user_id == self.user_id
        if self.actor_id:
            is_of_others = AuditEvent.user_id.is_(None) | (AuditEvent.user_id != self.actor_id)
            yield (AuditEvent.actor_id == self.actor_id) & is_of_others
        if self.name:
            of_group = AuditEvent.name.startswith(f"{self.name}.", autoescape=True)
            yield (AuditEvent.name == self.name) | of_group
        if self.request_id:
            yield AuditEvent.request_id == self.request_id
        if self.since:
            yield AuditEvent.at >= self.since
        if self.until:
            yield AuditEvent.at < self.until


def search_events(
    wanted: EventFilter, limit: int, after: Position | None = None
) -> tuple[list[AuditEvent], Position | None]:
    """Return a page of the events that match, the newest first, and where the next page begins."""
    found = select(AuditEvent).where(*wanted.conditions())
    page, following = ORDER.fetch_page(found, limit, after)
    return [row.AuditEvent for row in page], following


def serialize_event(event: AuditEvent) -> dict[str, object]:
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
