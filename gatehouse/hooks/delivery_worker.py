"""Deliver events to webhooks: threads of the server, or of `gatehouse worker`.

Each webhook has a lane of its own (see `database.delivery_lanes`). A worker that dies keeps its
leases for two minutes; then another one sends the events again, with the same ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from flask import Flask

from gatehouse.core.log import logger
from gatehouse.database.background_tasks import run_periodically
from gatehouse.database.delivery_lanes import LaneWorker
from gatehouse.database.lease_queue import record_outcome
from gatehouse.hooks import delivery_queue, publishing, sending, subscriptions
from gatehouse.hooks.delivery_queue import Lease
from gatehouse.hooks.sending import WebhookFailed
from gatehouse.hooks.signing import SignedMessage

METRICS_INTERVAL = 15.0
BATCH = 10
MAX_SEND_TIME = timedelta(seconds=30)
"""More than one delivery takes, so that no lease ends during it."""


def start_worker(app: Flask) -> "WebhookWorker":
    """Start to deliver in background threads of this process; return the worker."""
    run_periodically(METRICS_INTERVAL, app, "webhook metrics", delivery_queue.update_metrics)
    worker = WebhookWorker()
    worker.start(app)
    return worker


@dataclass
class WebhookWorker(LaneWorker[UUID, Lease]):
    """A worker that delivers due events, and leaves failing webhooks alone for seconds."""

    name: ClassVar[str] = "webhooks"

    def list_due(self) -> list[UUID]:
        """Return the webhooks that have due deliveries."""
        return delivery_queue.list_due_hooks() if subscriptions.has_webhooks() else []

    def lease(self, receiver: UUID) -> Sequence[Lease]:
        """Lease due deliveries to a webhook."""
        return delivery_queue.lease_deliveries(receiver, BATCH)

    def is_valid(self, lease: Lease) -> bool:
        """Return whether the lease lasts longer than a delivery."""
        return lease.is_valid_for(MAX_SEND_TIME)

    def release(self, leases: Sequence[Lease]) -> None:
        """Release deliveries that were not tried."""
        delivery_queue.release_leases(leases)

    def deliver(self, lease: Lease) -> bool:
        """Send an event and record the outcome; return whether it was delivered."""
        try:
            status = _send(lease)
        except WebhookFailed as error:
            failure = error
            fields = {"hook": lease.hook.name, "event_id": str(lease.event.id)}
            logger().warning("An event was not delivered.", **fields, reason=str(failure))
            record_outcome(lambda: delivery_queue.mark_failed(lease, failure))
            return False
        record_outcome(lambda: delivery_queue.mark_delivered(lease, status))
        return True


def _send(lease: Lease) -> int:
    """Send an event.

    Raises:
        WebhookFailed: it was not delivered, for whatever reason.
    """
    try:
        body = publishing.load_body(lease.event)
        return sending.send(lease.hook, SignedMessage(str(lease.event.id), body))
    except WebhookFailed:
        raise
    except Exception as error:  # temporary: a missing key may be configured again
        raise WebhookFailed(f"It could not be sent: {type(error).__name__}.") from None
