"""Deliver the rows of a queue to many receivers: each has a lane, so that none delays another.

One thread looks for due rows, and gives each receiver that has some a lane: a thread that delivers
to this receiver alone. A worker that dies keeps its leases for a while; then another one delivers
again. Any number of workers share a queue.
"""

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Generic, TypeVar

from flask import Flask

from gatehouse.core import clock
from gatehouse.database.background_tasks import log_exceptions, on_shutdown
from gatehouse.database.lease_queue import record_outcome
from gatehouse.database.session import db, end_transaction, write_transaction

POLL_INTERVAL = 0.3
"""Seconds between two polls of an empty queue."""
MAX_LANES = 4
"""Receivers that are served at the same time by one process."""
LANE_TIME = 10.0
"""Seconds after which a receiver gives its lane to others that wait for one."""
FAILURE_THRESHOLD = 3
"""Consecutive failures after which the channel is paused."""
MAX_PAUSE = 30.0
"""Seconds."""

Receiver = TypeVar("Receiver")
"""What names a receiver."""
Lease = TypeVar("Lease")
"""A leased row."""


@dataclass
class ChannelHealth:
    """Circuit breaker of a channel: consecutive failures, and a pause after too many."""

    failures: int = 0
    paused_until: float = 0.0
    """Monotonic time, in seconds."""

    @property
    def is_paused(self) -> bool:
        """Whether the channel is paused now."""
        return self.paused_until > clock.monotonic()

    def record_failure(self) -> None:
        """Count a failure; from FAILURE_THRESHOLD on, pause the channel, longer each time."""
        self.failures += 1
        if self.failures >= FAILURE_THRESHOLD:
            pause = min(2.0 ** min(self.failures - FAILURE_THRESHOLD, 30), MAX_PAUSE)
            self.paused_until = clock.monotonic() + pause


@dataclass
class LaneWorker(ABC, Generic[Receiver, Lease]):
    """A worker that delivers due rows, and leaves failing receivers alone for seconds."""

    name: ClassVar[str]
    """Of its threads, and in the log."""

    stop_requested: threading.Event = field(default_factory=threading.Event)
    """When set, each lane finishes its current delivery and releases the others."""
    health_by_receiver: dict[Receiver, ChannelHealth] = field(default_factory=dict)
    busy: set[Receiver] = field(default_factory=set)
    """The receivers that have a lane now."""

    @abstractmethod
    def list_due(self) -> list[Receiver]:
        """Return the receivers that have due rows; takes no lock."""

    @abstractmethod
    def lease(self, receiver: Receiver) -> Sequence[Lease]:
        """Lease a batch of due rows in the current transaction."""

    @abstractmethod
    def is_valid(self, lease: Lease) -> bool:
        """Return whether the lease lasts longer than a delivery."""

    @abstractmethod
    def release(self, leases: Sequence[Lease]) -> object:
        """Release rows that were not tried, in the current transaction."""

    @abstractmethod
    def deliver(self, lease: Lease) -> bool:
        """Deliver a row with no transaction open; record and return whether it was accepted."""

    def start(self, app: Flask) -> None:
        """Deliver in background threads of this process until it stops."""
        thread = threading.Thread(
            target=self.run_until_stopped, args=(app,), name=self.name, daemon=True
        )
        thread.start()
        on_shutdown(app, self.stop_requested.set)

    def run_until_stopped(self, app: Flask) -> None:
        """Deliver until `stop_requested` is set; errors are logged and retried."""
        with ThreadPoolExecutor(MAX_LANES, f"{self.name}-lane") as lanes:
            while not self.stop_requested.wait(POLL_INTERVAL):
                with app.app_context():
                    found = log_exceptions(self.name, self.find_idle)
                for receiver in found if isinstance(found, list) else ():
                    self.busy.add(receiver)
                    lanes.submit(self._run_lane, app, receiver)

    def find_idle(self) -> list[Receiver]:
        """Return the receivers that have due rows, but no lane and no pause."""
        due = self.list_due()
        end_transaction()
        return [
            receiver
            for receiver in due
            if receiver not in self.busy and not self._health_of(receiver).is_paused
        ]

    def deliver_due(self) -> int:
        """Deliver everything that is due, one receiver after the other; return how much it was."""
        return sum(self._deliver_to(receiver) for receiver in self.find_idle())

    def _run_lane(self, app: Flask, receiver: Receiver) -> None:
        try:
            until = clock.monotonic() + LANE_TIME
            with app.app_context():
                log_exceptions(self.name, lambda: self._deliver_to(receiver, until))
        finally:
            self.busy.discard(receiver)

    def _deliver_to(self, receiver: Receiver, until: float = math.inf) -> int:
        """Deliver batches to one receiver until nothing is due, it fails, or the worker stops.

        After the batch in which the time `until` (monotonic) passes, the rest is left.
        """
        delivered = 0
        while leases := self._lease_batch(receiver):
            delivered += self._deliver_batch(receiver, leases)
            if clock.monotonic() >= until:
                break
        return delivered

    def _lease_batch(self, receiver: Receiver) -> Sequence[Lease]:
        if self.stop_requested.is_set() or self._health_of(receiver).is_paused:
            return []
        with write_transaction():
            leases = self.lease(receiver)
        db.session.commit()
        end_transaction()
        return leases

    def _deliver_batch(self, receiver: Receiver, leases: Sequence[Lease]) -> int:
        """Deliver leased rows; release those that are left when it fails or the worker stops."""
        health = self._health_of(receiver)
        for number, lease in enumerate(leases):
            must_stop = self.stop_requested.is_set() or health.is_paused
            if must_stop or not self.is_valid(lease):
                record_outcome(partial(self.release, leases[number:]))
                return number
            if self.deliver(lease):
                health.failures = 0
            else:
                health.record_failure()
        return len(leases)

    def _health_of(self, receiver: Receiver) -> ChannelHealth:
        return self.health_by_receiver.setdefault(receiver, ChannelHealth())
