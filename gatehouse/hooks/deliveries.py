"""What operators do with the deliveries to a webhook: list, replay, and test them."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import cast
from uuid import UUID

from sqlalchemy import Select, or_, select, update

from gatehouse.audit.administration_events import Hooks
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto
from gatehouse.core.errors import NotFound
from gatehouse.database.pages import NewestFirst, Position
from gatehouse.database.session import commit_alone, db, end_transaction, write_transaction
from gatehouse.hooks import catalog, definitions, publishing, sending
from gatehouse.hooks.catalog import Occurrence
from gatehouse.hooks.delivery_queue import PENDING, UNSYNCHRONIZED
from gatehouse.hooks.errors import NotAWebhook
from gatehouse.hooks.kinds import WEBHOOK
from gatehouse.hooks.payloads import TestData
from gatehouse.hooks.sending import WebhookFailed
from gatehouse.hooks.signing import SignedMessage
from gatehouse.web.request_context import RequestContext
from models import Hook, WebhookDelivery, WebhookEvent

ADVICE = {
    None: "Check the URL, its TLS certificate, and that this server may connect to it.",
    3: "Redirects are not followed: set the URL that they lead to.",
    401: "Check that the receiver verifies the signature with the current secret.",
    403: "Check that the receiver verifies the signature with the current secret.",
    404: "Check the path of the URL.",
    405: "The receiver must accept POST.",
    4: "Look into the log of the receiver; it must answer 2xx once it has stored the event.",
    5: "Look into the log of the receiver; it must answer 2xx once it has stored the event.",
}
"""What to correct, by the status of an answer or its first digit."""


@dataclass(frozen=True)
class ReplayRequest:
    """Which events to deliver again: one, those since a time, or all that are kept."""

    event_id: UUID | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class TestResult:
    """What came of a test event."""

    __test__ = False  # pytest would collect it

    event_id: UUID
    delivered: bool
    status: int | None
    """The status of the answer; None if there was none."""
    message: str
    advice: str | None = None


def list_deliveries(
    hook_id: UUID, limit: int, after: Position | None = None
) -> tuple[list[dict[str, object]], Position | None]:
    """Return a page of the deliveries to a webhook, the newest events first.

    Raises:
        NotFound: there is no such hook.
    """
    definitions.get_hook(hook_id)
    own = select(WebhookDelivery, WebhookEvent).join(WebhookEvent)
    own = own.where(WebhookDelivery.hook_id == hook_id)
    order = NewestFirst(WebhookEvent.created_at, WebhookEvent.id)
    rows, following = order.fetch_page(cast(Select[object], own), limit, after)
    return [_serialize(row.WebhookDelivery, row.WebhookEvent) for row in rows], following


def replay_events(hook_id: UUID, request: ReplayRequest, context: RequestContext) -> int:
    """Deliver events to a webhook again, with the same ids; return how many.

    Pending ones become due now. Those that are being sent at this moment are left out.

    Raises:
        NotFound: there is no such hook, or it never got the event.
        NotAWebhook: the hook is of another kind.
    """
    with write_transaction():
        hook = definitions.lock_hook(hook_id)
        _require_webhook(hook)
        count = _make_due(hook_id, request)
        if request.event_id and not count:
            raise NotFound
        record(Hooks.REPLAYED, context, hook_id=str(hook.id), name=hook.name, count=count)
    return count


def send_test(hook_id: UUID, context: RequestContext) -> TestResult:
    """Send a `hook.test` event at once, even to a disabled webhook; it is not repeated.

    Raises:
        NotFound: there is no such hook.
        NotAWebhook: the hook is of another kind.
    """
    commit_alone(partial(_record_test, hook_id, context))
    hook = definitions.get_hook(hook_id)
    end_transaction()
    actor, data = context.actor.kind, TestData(hook_id)
    occurrence = Occurrence(catalog.TEST, crypto.new_id(), clock.now(), actor, data)
    message = SignedMessage(str(occurrence.id), publishing.build_body(occurrence))
    try:
        status = sending.send(hook, message)
    except WebhookFailed as error:
        return TestResult(occurrence.id, False, error.status, str(error), _advise(error.status))
    return TestResult(occurrence.id, True, status, f"It answered {status}.")


def _record_test(hook_id: UUID, context: RequestContext) -> None:
    with write_transaction():
        hook = definitions.get_hook(hook_id)
        _require_webhook(hook)
        record(Hooks.TESTED, context, hook_id=str(hook.id), name=hook.name)


def _require_webhook(hook: Hook) -> None:
    if hook.kind != WEBHOOK:
        raise NotAWebhook


def _make_due(hook_id: UUID, request: ReplayRequest) -> int:
    now = clock.now()
    is_idle = or_(WebhookDelivery.leased_until.is_(None), WebhookDelivery.leased_until <= now)
    rows = update(WebhookDelivery).where(WebhookDelivery.hook_id == hook_id, is_idle)
    if request.event_id:
        rows = rows.where(WebhookDelivery.event_id == request.event_id)
    if request.since:
        later = select(WebhookEvent.id).where(WebhookEvent.created_at >= request.since)
        rows = rows.where(WebhookDelivery.event_id.in_(later))
    rows = rows.values(state=PENDING, attempts=0, next_attempt_at=now, leased_until=None)
    replayed = rows.returning(WebhookDelivery.id)
    return len(db.session.execute(replayed, execution_options=UNSYNCHRONIZED).all())


def _advise(status: int | None) -> str | None:
    return ADVICE.get(status) or ADVICE.get(status // 100 if status else None)


def _serialize(row: WebhookDelivery, event: WebhookEvent) -> dict[str, object]:
    return {
        "event_id": str(event.id),
        "type": event.name,
        "user_id": str(event.user_id) if event.user_id else None,
        "occurred_at": event.created_at,
        "state": row.state,
        "attempts": row.attempts,
        "next_attempt_at": row.next_attempt_at if row.state == PENDING else None,
        "last_attempt_at": row.last_attempt_at,
        "last_status": row.last_status,
        "last_error": row.last_error,
    }
