"""Write the events for webhooks, in the transaction of what happened."""

import json
from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, delete, insert, literal, select

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.core.events import UserErased
from gatehouse.database.session import UTCDateTime, db
from gatehouse.hooks import catalog, subscriptions
from gatehouse.hooks.catalog import Occurrence
from models import Hook, WebhookDelivery, WebhookEvent

COLUMNS = ["hook_id", "event_id", "user_id", "next_attempt_at"]


def deliver_event(event: Any) -> None:
    """Write a domain event for the webhooks that get it, if there are any."""
    for public in catalog.find_events(event):
        if hook_ids := subscriptions.find_subscribers(public.name):
            actor, data = event.context.actor.kind, public.build_data(event)
            occurrence = Occurrence(public, crypto.new_id(), clock.now(), actor, data)
            _write(occurrence, event.user_id, hook_ids)


def forget_user(event: UserErased[Any]) -> None:
    """Delete the events of an erased user, delivered or not; `user.erased` follows."""
    own = WebhookEvent.user_id == event.user_id
    db.session.execute(delete(WebhookEvent).where(own))


def load_body(event: WebhookEvent) -> bytes:
    """Return the body of an event, the same in all attempts.

    Raises:
        DecryptionFailed: the payload was changed or moved, or its key is not configured.
    """
    return crypto.decrypt(event.payload, _associated_data(event.id))


def build_body(occurrence: Occurrence) -> bytes:
    """Return the JSON text of an event."""
    return json.dumps(occurrence.body, separators=(",", ":")).encode()


def _write(occurrence: Occurrence, user_id: UUID, hook_ids: Collection[UUID]) -> None:
    """Write an event and its deliveries; a webhook that was deleted meanwhile gets none."""
    row = WebhookEvent(id=occurrence.id, name=occurrence.event.name, user_id=user_id)
    row.created_at = occurrence.occurred_at
    row.payload = crypto.encrypt(build_body(occurrence), _associated_data(row.id))
    db.session.add(row)
    db.session.flush()
    values = (
        literal(row.id, Uuid),
        literal(user_id, Uuid),
        literal(row.created_at, UTCDateTime),
    )
    hooks = select(Hook.id, *values).where(Hook.id.in_(hook_ids), Hook.enabled)
    hooks = hooks.with_for_update(read=True, key_share=True)  # it cannot be deleted meanwhile
    db.session.execute(insert(WebhookDelivery).from_select(COLUMNS, hooks))


def _associated_data(event_id: UUID) -> str:
    return crypto_labels.column_data(crypto_labels.WEBHOOK_PAYLOAD, event_id)
