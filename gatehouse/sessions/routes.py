"""Routes: list and end my sessions."""

from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.core.errors import NotFound
from gatehouse.database.pages import Position
from gatehouse.sessions import service as sessions
from gatehouse.sessions.guards import signed_in
from gatehouse.tokens.service import AccessToken
from gatehouse.web import pagination
from gatehouse.web.openapi import Blueprint
from gatehouse.web.request_context import request_context
from gatehouse.web.user_agent import device_name
from models import Session
from schemas import PageQuery, PageQueryForm, Timestamp, page_schema

routes = Blueprint("sessions", __name__, url_prefix="/auth/sessions", description="My sessions")
TIMESTAMP = {"type": "string", "format": "date-time"}


class SessionItem(Schema):
    """One of my sessions."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    last_seen_at = Timestamp(required=True, metadata=TIMESTAMP)
    expires_at = Timestamp(required=True, metadata=TIMESTAMP)
    ip_address = fields.String(required=True)
    device = fields.String(required=True, metadata={"example": "Firefox on Linux"})
    amr = fields.List(fields.String(), required=True)
    current = fields.Boolean(required=True)
    impersonated_by = fields.String(
        metadata={
            "format": "uuid",
            "description": "only if an administrator acts as me; hides IP address and device",
        }
    )


@routes.get("")
@signed_in
@routes.arguments(PageQuery, location="query")
@routes.response(200, page_schema(SessionItem))
def list_sessions(caller: AccessToken, query: PageQueryForm) -> dict[str, object]:
    """List my active sessions, newest first."""
    purpose = f"own sessions {caller.sub}"
    after = pagination.decode_cursor(purpose, query.cursor)
    rows = sessions.active_sessions(UUID(caller.sub))
    rest = [row for row in rows if after is None or row.id < after.id]
    page = rest[: query.limit]
    last = Position(page[-1].created_at, page[-1].id) if len(rest) > query.limit else None
    following = pagination.encode_cursor(purpose, last)
    return {"items": [_item(row, caller) for row in page], "next_cursor": following}


@routes.delete("/<uuid:session_id>")
@signed_in
@routes.response(204)
@routes.errors(NotFound)
def end_session(caller: AccessToken, session_id: UUID) -> None:
    """End one of my sessions; its access tokens become invalid within a second."""
    sessions.end_own_session(UUID(caller.sub), session_id, request_context())


def _item(row: Session, caller: AccessToken) -> dict[str, object]:
    impersonated = {"impersonated_by": row.actor_id} if row.actor_id else {}
    return {
        **impersonated,
        "id": str(row.id),
        "created_at": row.created_at,
        "last_seen_at": row.last_seen_at,
        "expires_at": row.expires_at,
        "ip_address": "" if row.actor_id else row.ip_address,
        "device": "" if row.actor_id else device_name(row.user_agent),
        "amr": row.amr,
        "current": str(row.id) == caller.sid,
    }
