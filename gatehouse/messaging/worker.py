"""Carries messages from the outbox to a channel: `flask worker`, or a thread of the server.

A message is taken with a lease and marked when it was handed over; a worker that dies in between
lets another one try again, so a message arrives at least once. Any number of workers share the
queue.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from gatehouse.core import clock
from gatehouse.core.log import log
from gatehouse.database.background_tasks import at_end, attempt, every
from gatehouse.database.session import db, release, writing
from gatehouse.messaging import outbox, outbox_queue, routing
from gatehouse.messaging.message import DeliveryFailed, Message
from gatehouse.messaging.outbox_queue import Claim

Carry = Callable[[Message], None]
"""Hands a message to whatever carries it, or raises DeliveryFailed."""

INTERVAL = 0.3
"""Seconds between two looks into an empty queue."""
MEASURED_EVERY = 15.0
BATCH = 20
SENDING = timedelta(seconds=60)
"""More than all channels together may take for one message: no lease ends while one is sent."""
STREAK = 3
"""So many failures in a row are the channel's fault, not the message's."""
LONGEST_REST = 30.0
LEAVING = 8.0
"""Seconds that all of it has when a server ends, which is killed after ten."""
RETRIES = (0.1, 1.0, 5.0)
"""Seconds between the attempts to note what has become of a message."""


def start(app: Flask) -> None:
    """Deliver in a thread of this process what the operator's channels carry."""
    every(MEASURED_EVERY, app, "outbox", outbox_queue.measure)
    routing.warn(app)
    if found := courier(app):
        thread = threading.Thread(target=found.run, args=(app,), name="delivery", daemon=True)
        thread.start()
        at_end(app, lambda: stop(found, app, thread))


def stop(courier: "Courier", app: Flask, thread: threading.Thread) -> None:
    """Return when it has left, or when its time is over: the database may be away or hang.

    What it has not given back by then is free when the lease runs out.
    """
    ends = clock.monotonic() + LEAVING
    leaving = threading.Thread(target=courier.leave, args=(app,), name="leaving", daemon=True)
    leaving.start()
    for waited_for in (thread, leaving):
        waited_for.join(max(0.0, ends - clock.monotonic()))


@dataclass
class Line:
    """How a channel has done: failures in a row, and until when it is left alone."""

    failures: int = 0
    rests_until: float = 0.0
    """By the monotonic clock."""

    @property
    def rests(self) -> bool:
        """Whether it is left alone now."""
        return self.rests_until > clock.monotonic()

    def fail(self) -> None:
        """Count a failure; from the third on the channel rests, each time twice as long."""
        self.failures += 1
        if self.failures >= STREAK:
            pause = min(2.0 ** min(self.failures - STREAK, 30), LONGEST_REST)
            self.rests_until = clock.monotonic() + pause


@dataclass
class Courier:
    """One worker: takes what is due in small batches, and leaves a broken channel alone."""

    carry: Carry
    stop: threading.Event = field(default_factory=threading.Event)
    """Set, it finishes the message in hand and takes no other."""
    without: tuple[str, ...] = ()
    """The channels of messages that nothing carries here; perhaps another worker can."""
    lines: dict[str, Line] = field(default_factory=dict)
    """By the channel of the messages."""
    untried: deque[Claim] = field(default_factory=deque)
    """What it has taken and not begun."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held to take one of them in hand, or to give them back."""

    def run(self, app: Flask) -> None:
        """Deliver until told to stop; a database that is away is waited for."""
        while not self.stop.is_set():
            with app.app_context():
                delivered = attempt("delivery", self.deliver_due)
            if not delivered:
                self.stop.wait(INTERVAL)

    def deliver_due(self) -> int:
        """Deliver a batch of the messages that are due, and return how many were tried."""
        closed = [channel for channel, line in self.lines.items() if line.rests]
        closed += self.without
        if outbox_queue.is_empty(without=closed):
            release()
            return 0
        with writing():
            claims = outbox_queue.claim(BATCH, without=closed)
        db.session.commit()
        release()
        return self._deliver_all(claims)

    def leave(self, app: Flask) -> None:
        """Take no other message in hand; what was not tried is anybody's now. From any thread."""
        self.stop.set()
        with app.app_context():
            attempt("delivery", self._give_back)

    def _deliver_all(self, claims: Sequence[Claim]) -> int:
        self.untried.extend(claims)
        tried = 0
        while claim := self._take():
            self._deliver(claim)
            tried += 1
        self._give_back()
        return tried

    def _take(self) -> Claim | None:
        """Take the next message in hand, unless it is better left to others."""
        with self.lock:
            claim = self.untried[0] if self.untried else None
            if claim is None or self.stop.is_set():
                return None
            if self._line(claim).rests or not claim.lasts(SENDING):
                return None
            return self.untried.popleft()

    def _give_back(self) -> None:
        with self.lock:
            rest = list(self.untried)
            self.untried.clear()
        if rest:
            _note(lambda: outbox_queue.give_back(rest))

    def _deliver(self, claim: Claim) -> None:
        if reason := claim.overdue:
            _note(lambda: outbox_queue.give_up(claim, reason))
            return
        try:
            self._hand_over(claim)
        except DeliveryFailed as problem:
            failure = problem
            _tell(claim, failure)
            _note(lambda: outbox_queue.mark_failed(claim, failure))
        else:
            _note(lambda: outbox_queue.mark_sent(claim))

    def _hand_over(self, claim: Claim) -> None:
        """Give the message to its channel, and remember how that one does.

        Raises:
            DeliveryFailed: it was not handed over, whatever the reason.
        """
        message, line = _opened(claim), self._line(claim)
        try:
            self.carry(message)
        except DeliveryFailed as problem:
            if not problem.permanent and problem.retry_after is None:
                line.fail()
            raise
        except Exception as problem:
            line.fail()
            raise DeliveryFailed(f"{type(problem).__name__} in its channel") from None
        line.failures = 0

    def _line(self, claim: Claim) -> Line:
        return self.lines.setdefault(claim.row.channel, Line())


def courier(app: Flask) -> Courier | None:
    """Return a worker for what the operator's channels carry, or None where there are none."""
    routes = routing.routes(app)
    if len(routes.missing) == len(routes.by_kind):
        return None
    return Courier(routes.send, without=routes.missing)


def _opened(claim: Claim) -> Message:
    try:
        return outbox.opened(claim.row)
    except Exception as problem:  # its key may come back
        raise DeliveryFailed(f"it does not open: {type(problem).__name__}") from None


def _tell(claim: Claim, problem: DeliveryFailed) -> None:
    about = {"message": str(claim.row.id), "attempt": claim.row.attempts}
    log().warning("A message was not handed over.", **about, reason=str(problem))


def _note(settle: Callable[[], object]) -> None:
    """Write down what has become of a message; without that, somebody gets it once more."""
    for pause in RETRIES:
        with suppress(SQLAlchemyError):
            return _write(settle)
        db.session.remove()
        time.sleep(pause)
    return _write(settle)


def _write(settle: Callable[[], object]) -> None:
    with writing():
        mine = settle()
    db.session.commit()
    release()
    if mine is False:
        log().warning("A lease ran out while a message was sent; somebody else has it now.")
