"""Deliver events to webhooks: threads of the server, or of `gatehouse worker`.

One thread looks for due deliveries, and gives each webhook that has some a lane: a thread that
delivers to this webhook alone, so that a slow receiver delays no other. A worker that dies keeps
its leases for two minutes; then another one sends the events again, with the same ids.
"""

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

from flask import Flask

from gatehouse.core import clock
from gatehouse.core.log import logger
from gatehouse.database.background_tasks import log_exceptions, on_shutdown, run_periodically
from gatehouse.database.session import db, end_transaction, write_transaction
from gatehouse.hooks import delivery_queue, publishing, sending, subscriptions
from gatehouse.hooks.delivery_queue import Lease
from gatehouse.hooks.sending import WebhookFailed
from gatehouse.hooks.signing import SignedMessage
from gatehouse.messaging.worker import ChannelHealth, record_outcome

POLL_INTERVAL = 0.3
METRICS_INTERVAL = 15.0
MAX_LANES = 4
"""Webhooks that are served at the same time by one process."""
LANE_TIME = 10.0
"""Seconds after which a webhook gives its lane to others that wait for one."""
BATCH = 10
MAX_SEND_TIME = timedelta(seconds=30)
"""More than one delivery takes, so that no lease ends during it."""


def start_worker(app: Flask) -> "WebhookWorker":
    """Start to deliver in background threads of this process; return the worker."""
    run_periodically(METRICS_INTERVAL, app, "webhook metrics", delivery_queue.update_metrics)
    worker = WebhookWorker()
    thread = threading.Thread(
        target=worker.run_until_stopped, args=(app,), name="webhooks", daemon=True
    )
    thread.start()
    on_shutdown(app, worker.stop_requested.set)
    return worker


@dataclass
class WebhookWorker:
    """A worker that delivers due events, and leaves failing webhooks alone for seconds."""

    stop_requested: threading.Event = field(default_factory=threading.Event)
    """When set, each lane finishes its current delivery and releases the others."""
    health_by_hook: dict[UUID, ChannelHealth] = field(default_factory=dict)
    busy: set[UUID] = field(default_factory=set)
    """The webhooks that have a lane now."""

    def run_until_stopped(self, app: Flask) -> None:
        """Deliver events until `stop_requested` is set; errors are logged and retried."""
        with ThreadPoolExecutor(MAX_LANES, "webhook-lane") as lanes:
            while not self.stop_requested.wait(POLL_INTERVAL):
                with app.app_context():
                    found = log_exceptions("webhooks", self.find_idle_hooks)
                for hook_id in found if isinstance(found, list) else ():
                    self.busy.add(hook_id)
                    lanes.submit(self._run_lane, app, hook_id)

    def find_idle_hooks(self) -> list[UUID]:
        """Return the webhooks that have due deliveries, but no lane and no pause."""
        if not subscriptions.has_webhooks():
            return []
        due = delivery_queue.list_due_hooks()
        end_transaction()
        return [
            hook_id
            for hook_id in due
            if hook_id not in self.busy and not self._health_of(hook_id).is_paused
        ]

    def deliver_due(self) -> int:
        """Deliver everything that is due, one webhook after the other; return how much it was."""
        return sum(self._deliver_to(hook_id) for hook_id in self.find_idle_hooks())

    def _run_lane(self, app: Flask, hook_id: UUID) -> None:
        try:
            until = clock.monotonic() + LANE_TIME
            with app.app_context():
                log_exceptions("webhooks", lambda: self._deliver_to(hook_id, until))
        finally:
            self.busy.discard(hook_id)

    def _deliver_to(self, hook_id: UUID, until: float = math.inf) -> int:
        """Deliver batches to one webhook until nothing is due, it fails, or the worker stops.

        After the batch in which the time `until` (monotonic) passes, the rest is left.
        """
        delivered = 0
        while leases := self._lease(hook_id):
            delivered += self._deliver_batch(leases)
            if clock.monotonic() >= until:
                break
        return delivered

    def _lease(self, hook_id: UUID) -> list[Lease]:
        if self.stop_requested.is_set() or self._health_of(hook_id).is_paused:
            return []
        with write_transaction():
            leases = delivery_queue.lease_deliveries(hook_id, BATCH)
        db.session.commit()
        end_transaction()
        return leases

    def _deliver_batch(self, leases: list[Lease]) -> int:
        """Deliver leased events; release those that are left when it fails or the worker stops."""
        health = self._health_of(leases[0].hook.id)
        for number, lease in enumerate(leases):
            must_stop = self.stop_requested.is_set() or health.is_paused
            if must_stop or not lease.is_valid_for(MAX_SEND_TIME):
                record_outcome(partial(delivery_queue.release_leases, leases[number:]))
                return number
            self._deliver(lease, health)
        return len(leases)

    def _deliver(self, lease: Lease, health: ChannelHealth) -> None:
        try:
            status = _send(lease)
        except WebhookFailed as error:
            failure = error
            health.record_failure()
            fields = {"hook": lease.hook.name, "event_id": str(lease.event.id)}
            logger().warning("An event was not delivered.", **fields, reason=str(failure))
            record_outcome(lambda: delivery_queue.mark_failed(lease, failure))
        else:
            health.failures = 0
            record_outcome(lambda: delivery_queue.mark_delivered(lease, status))

    def _health_of(self, hook_id: UUID) -> ChannelHealth:
        return self.health_by_hook.setdefault(hook_id, ChannelHealth())


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
