"""Deletes what is over: a thread in each worker of the server, once in a while."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from flask import Flask

from gatehouse.defence import devices, guard, robots, throttle
from gatehouse.delivery import idempotency, outbox, queue, spending
from gatehouse.foundation import clock, limits
from gatehouse.foundation.background import attempt, every
from gatehouse.foundation.database import db, writing
from gatehouse.mfa import reset
from gatehouse.sessions import service as sessions
from gatehouse.tokens import challenges, revocation

INTERVAL = timedelta(minutes=10)
LETTERS_KEPT = timedelta(days=7)
"""Longer than any code or link that a message can hold is good for."""
KEPT = timedelta(days=30)
"""How long an ended session stays, for those who ask what happened."""


def purge() -> None:
    """Do what is due, and delete what is over.

    That is: resets of second factors; then expired challenges, revocations and counters, and
    sessions that ended long ago. Each kind has a transaction of its own: one that fails does not
    keep the others.
    """
    now = clock.now()
    attempt("resets", reset.finish_due)
    attempt("challenges", partial(_alone, challenges.purge))
    attempt("revocations", partial(_alone, revocation.purge))
    attempt("limits", partial(_alone, limits.purge))
    attempt("prefixes", partial(_alone, spending.purge))
    attempt("devices", partial(_alone, devices.purge))
    attempt("guesses", partial(_alone, throttle.purge))
    attempt("guard", partial(_alone, guard.purge))
    attempt("idempotency", partial(_alone, idempotency.purge))
    attempt("overdue", partial(_alone, queue.give_up_overdue))
    attempt("spent", partial(_alone, robots.purge))
    attempt("outbox", partial(_alone, partial(outbox.purge, now - LETTERS_KEPT)))
    attempt("sessions", partial(_alone, partial(sessions.purge, now - KEPT)))


def _alone(delete: Callable[[], object]) -> None:
    with writing():
        delete()
    db.session.commit()


def start(app: Flask) -> None:
    """Purge in the background."""
    every(INTERVAL.total_seconds(), app, "housekeeping", purge)
