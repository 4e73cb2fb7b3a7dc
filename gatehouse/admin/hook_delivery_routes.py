"""Routes: the deliveries to a webhook, their replay, and a test event."""

from dataclasses import asdict
from uuid import UUID

from marshmallow import Schema, fields

from gatehouse.admin.hook_forms import Replay
from gatehouse.admin.schemas import OPTIONAL_TIMESTAMP, TIMESTAMP, UUID_FORMAT
from gatehouse.authorization import permissions
from gatehouse.core.errors import NotFound
from gatehouse.hooks import deliveries
from gatehouse.hooks.deliveries import ReplayRequest
from gatehouse.hooks.delivery_queue import ABANDONED, DELIVERED, PENDING
from gatehouse.hooks.errors import NotAWebhook
from gatehouse.sessions.guards import Administrator, requires
from gatehouse.web import pagination
from gatehouse.web.openapi import Blueprint
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import PageQuery, PageQueryForm, Timestamp, page_schema

CURSOR = "webhook deliveries"
hook_delivery_routes = Blueprint(
    "hook_deliveries", __name__, url_prefix="/admin/hooks", description="Administration"
)


class DeliveryItem(Schema):
    """An event on its way to a webhook."""

    event_id = fields.String(required=True, metadata=UUID_FORMAT)
    type = fields.String(required=True, metadata={"example": "user.created"})
    user_id = fields.String(required=True, allow_none=True)
    occurred_at = Timestamp(required=True, metadata=TIMESTAMP)
    state = fields.String(required=True, metadata={"enum": [PENDING, DELIVERED, ABANDONED]})
    attempts = fields.Integer(required=True)
    next_attempt_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)
    last_attempt_at = Timestamp(required=True, metadata=OPTIONAL_TIMESTAMP)
    last_status = fields.Integer(required=True, allow_none=True)
    last_error = fields.String(required=True, allow_none=True)


class ReplayResponse(Schema):
    """How many events are delivered again."""

    count = fields.Integer(required=True)


class HookTestResponse(Schema):
    """What came of a test event."""

    event_id = fields.String(required=True, metadata=UUID_FORMAT)
    delivered = fields.Boolean(required=True)
    status = fields.Integer(
        required=True, allow_none=True, metadata={"description": "of the receiver's answer"}
    )
    message = fields.String(required=True)
    advice = fields.String(
        required=True, allow_none=True, metadata={"description": "what to correct"}
    )


@hook_delivery_routes.get("/<uuid:hook_id>/deliveries")
@rate_limit("admin")
@requires(permissions.HOOKS_READ)
@hook_delivery_routes.arguments(PageQuery, location="query")
@hook_delivery_routes.response(200, page_schema(DeliveryItem))
@hook_delivery_routes.errors(NotFound)
def list_hook_deliveries(
    _caller: Administrator, query: PageQueryForm, hook_id: UUID
) -> dict[str, object]:
    """List the events of the last two weeks for a webhook, the newest first."""
    after = pagination.decode_cursor(CURSOR, query.cursor)
    items, following = deliveries.list_deliveries(hook_id, query.limit, after)
    return {"items": items, "next_cursor": pagination.encode_cursor(CURSOR, following)}


@hook_delivery_routes.post("/<uuid:hook_id>/replay")
@rate_limit("admin")
@requires(permissions.HOOKS_WRITE)
@hook_delivery_routes.arguments(Replay)
@hook_delivery_routes.response(200, ReplayResponse)
@hook_delivery_routes.errors(NotFound, NotAWebhook)
def replay_hook_events(
    _caller: Administrator, form: ReplayRequest, hook_id: UUID
) -> dict[str, int]:
    """Deliver one event, those since a time, or all, to a webhook again, with the same ids."""
    return {"count": deliveries.replay_events(hook_id, form, request_context())}


@hook_delivery_routes.post("/<uuid:hook_id>/test")
@rate_limit("admin")
@requires(permissions.HOOKS_WRITE)
@hook_delivery_routes.response(200, HookTestResponse)
@hook_delivery_routes.errors(NotFound, NotAWebhook)
def send_test_event(_caller: Administrator, hook_id: UUID) -> dict[str, object]:
    """Send a `hook.test` event to a webhook now, and return what came of it."""
    return asdict(deliveries.send_test(hook_id, request_context()))
