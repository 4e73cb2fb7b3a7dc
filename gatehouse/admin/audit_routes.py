"""Route that searches the audit log."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from marshmallow import fields, validate

from gatehouse.admin.schemas import AuditItemPage
from gatehouse.audit import search as audit
from gatehouse.audit.search import SEARCHABLE_NAMES, EventFilter
from gatehouse.authorization import permissions
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.web import pagination
from gatehouse.web.fields import Moment, String
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import rate_limit
from schemas import PageQuery, PageQueryForm

CURSOR = "admin audit log"
audit_routes = Blueprint(
    "admin_audit", __name__, url_prefix="/admin/audit", description="Administration: the audit log"
)


@dataclass(frozen=True, kw_only=True)
class EventSearchForm(PageQueryForm):
    """The query `EventSearch`."""

    user_id: UUID | None = None
    actor_id: UUID | None = None
    name: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def to_filter(self) -> EventFilter:
        """Return what to search for."""
        who = self.user_id, self.actor_id
        return EventFilter(*who, self.name, self.request_id, self.since, self.until)


class EventSearch(PageQuery):
    """Selects events; all conditions must hold."""

    form_type = EventSearchForm

    user_id = fields.UUID(metadata={"description": "whom they concern, also one who was erased"})
    actor_id = fields.UUID(
        metadata={"description": "who did it to others: an administrator or a service account"}
    )
    name = String(
        64,
        validate=validate.OneOf(SEARCHABLE_NAMES),
        metadata={"description": "such as `login.failed`; `login` for all that begin so"},
    )
    request_id = String(64, metadata={"description": "the `X-Request-Id` of one request"})
    since, until = Moment(), Moment()


@audit_routes.get("")
@rate_limit("admin")
@requires(permissions.AUDIT_READ)
@audit_routes.arguments(EventSearch, location="query")
@audit_routes.response(200, AuditItemPage)
def search_events(_caller: Administrator, query: EventSearchForm) -> dict[str, object]:
    """Search the audit log, the newest events first."""
    after = pagination.decode_cursor(CURSOR, query.cursor)
    rows, following = audit.search_events(query.to_filter(), query.limit, after)
    items = [audit.serialize_event(row) for row in rows]
    return {"items": items, "next_cursor": pagination.encode_cursor(CURSOR, following)}
