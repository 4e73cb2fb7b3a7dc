"""Deliver messages from the outbox: `gatehouse worker`, or a thread of the server.

A worker leases a message and marks it after delivery. If it dies in between, another worker tries
again after the lease, so delivery is at least once. Any number of workers share the queue.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from flask import Flask

from gatehouse.core import clock
from gatehouse.core.log import logger
from gatehouse.database.background_tasks import log_exceptions, on_shutdown, run_periodically
from gatehouse.database.delivery_lanes import ChannelHealth
from gatehouse.database.lease_queue import record_outcome
from gatehouse.database.session import db, end_transaction, write_transaction
from gatehouse.messaging import outbox, outbox_queue, routing
from gatehouse.messaging.message import DeliveryFailed, Message
from gatehouse.messaging.outbox_queue import Lease

SendMessage = Callable[[Message], None]
"""Delivers a message, or raises DeliveryFailed."""

POLL_INTERVAL = 0.3
"""Seconds between two polls of an empty queue."""
METRICS_INTERVAL = 15.0
BATCH = 20
MAX_SEND_TIME = timedelta(seconds=60)
"""More than all channels together need for one message, so that no lease ends during delivery."""
SHUTDOWN_TIMEOUT = 8.0
"""Seconds for the shutdown; the server is killed after ten."""


def start_worker(app: Flask) -> None:
    """Start a delivery thread in this process, if any channel is configured."""
    run_periodically(METRICS_INTERVAL, app, "outbox", outbox_queue.update_metrics)
    if worker := create_worker(app):
        thread = threading.Thread(
            target=worker.run_until_stopped, args=(app,), name="delivery", daemon=True
        )
        thread.start()
        on_shutdown(app, lambda: stop_worker(worker, app, thread))


def stop_worker(worker: "DeliveryWorker", app: Flask, thread: threading.Thread) -> None:
    """Stop a worker; return when it has stopped or after SHUTDOWN_TIMEOUT.

    The database may be unreachable: leases that were not released then expire by themselves.
    """
    deadline = clock.monotonic() + SHUTDOWN_TIMEOUT
    release = threading.Thread(
        target=worker.shut_down, args=(app,), name="delivery-shutdown", daemon=True
    )
    release.start()
    for pending in (thread, release):
        pending.join(max(0.0, deadline - clock.monotonic()))


@dataclass
class DeliveryWorker:
    """A worker that delivers due messages in small batches and pauses failing channels."""

    send_message: SendMessage
    stop_requested: threading.Event = field(default_factory=threading.Event)
    """When set, the worker finishes the current message and starts no other."""
    excluded_channels: tuple[str, ...] = ()
    """Message types without a channel here; another worker may have one."""
    health_by_channel: dict[str, ChannelHealth] = field(default_factory=dict)
    """By message type (`email`, `sms`)."""
    untried_leases: deque[Lease] = field(default_factory=deque)
    """Leased messages whose delivery has not begun."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Guards `untried_leases`."""

    def run_until_stopped(self, app: Flask) -> None:
        """Deliver messages until `stop_requested` is set; errors are logged and retried."""
        while not self.stop_requested.is_set():
            with app.app_context():
                delivered = log_exceptions("delivery", self.deliver_due)
            if not delivered:
                self.stop_requested.wait(POLL_INTERVAL)

    def deliver_due(self) -> int:
        """Deliver a batch of due messages; return how many were tried."""
        excluded = [name for name, health in self.health_by_channel.items() if health.is_paused]
        excluded += self.excluded_channels
        if outbox_queue.is_empty(excluded_channels=excluded):
            end_transaction()
            return 0
        with write_transaction():
            leases = outbox_queue.lease_messages(BATCH, excluded_channels=excluded)
        db.session.commit()
        end_transaction()
        return self._deliver_all(leases)

    def shut_down(self, app: Flask) -> None:
        """Start no other message and release those not yet tried; callable from any thread."""
        self.stop_requested.set()
        with app.app_context():
            log_exceptions("delivery", self._release_untried)

    def _deliver_all(self, leases: Sequence[Lease]) -> int:
        self.untried_leases.extend(leases)
        tried = 0
        while lease := self._next_lease():
            self._deliver(lease)
            tried += 1
        self._release_untried()
        return tried

    def _next_lease(self) -> Lease | None:
        """Return the next message to deliver.

        Returns None if none is left, the worker stops, the channel is paused or the lease is short.
        """
        with self.lock:
            lease = self.untried_leases[0] if self.untried_leases else None
            if lease is None or self.stop_requested.is_set():
                return None
            if self._health_of(lease).is_paused or not lease.is_valid_for(MAX_SEND_TIME):
                return None
            return self.untried_leases.popleft()

    def _release_untried(self) -> None:
        with self.lock:
            untried = list(self.untried_leases)
            self.untried_leases.clear()
        if untried:
            record_outcome(lambda: outbox_queue.release_leases(untried))

    def _deliver(self, lease: Lease) -> None:
        if reason := lease.abandon_reason:
            record_outcome(lambda: outbox_queue.abandon_message(lease, reason))
            return
        try:
            self._send(lease)
        except DeliveryFailed as error:
            failure = error
            _log_failure(lease, failure)
            record_outcome(lambda: outbox_queue.mark_failed(lease, failure))
        else:
            record_outcome(lambda: outbox_queue.mark_sent(lease))

    def _send(self, lease: Lease) -> None:
        """Deliver the message and update the health of its channel.

        Raises:
            DeliveryFailed: it was not delivered, for whatever reason.
        """
        message, health = _load_message(lease), self._health_of(lease)
        try:
            self.send_message(message)
        except DeliveryFailed as error:
            if not error.permanent and error.retry_after is None:
                health.record_failure()
            raise
        except Exception as error:
            health.record_failure()
            raise DeliveryFailed(f"{type(error).__name__} in its channel") from None
        health.failures = 0

    def _health_of(self, lease: Lease) -> ChannelHealth:
        return self.health_by_channel.setdefault(lease.row.channel, ChannelHealth())


def create_worker(app: Flask) -> DeliveryWorker | None:
    """Return a worker for the configured channels, or None if there are none."""
    router = routing.get_router(app)
    if len(router.types_without_channel) == len(router.channels_by_type):
        return None
    return DeliveryWorker(router.send, excluded_channels=router.types_without_channel)


def _load_message(lease: Lease) -> Message:
    try:
        return outbox.load_message(lease.row)
    except Exception as error:  # temporary: a missing key may be configured again
        raise DeliveryFailed(f"it cannot be decrypted: {type(error).__name__}") from None


def _log_failure(lease: Lease, error: DeliveryFailed) -> None:
    fields = {"message": str(lease.row.id), "attempt": lease.row.attempts}
    logger().warning("A message was not delivered.", **fields, reason=str(error))
