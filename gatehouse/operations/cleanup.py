"""Deletes what is over: a thread in each worker of the server, once in a while."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from flask import Flask

from gatehouse.captcha import service as captcha
from gatehouse.core import clock
from gatehouse.database.background_tasks import attempt, every
from gatehouse.database.session import db, writing
from gatehouse.devices import service as devices
from gatehouse.lockout import credential_stuffing
from gatehouse.lockout import service as lockout
from gatehouse.messaging import outbox, outbox_queue, sms_budget
from gatehouse.mfa import reset
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.sessions import service as sessions
from gatehouse.tokens import revocation
from gatehouse.web import idempotency, rate_limits

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
    attempt("challenges", partial(_alone, one_time_codes.purge))
    attempt("revocations", partial(_alone, revocation.purge))
    attempt("limits", partial(_alone, rate_limits.purge))
    attempt("prefixes", partial(_alone, sms_budget.purge))
    attempt("devices", partial(_alone, devices.purge))
    attempt("guesses", partial(_alone, lockout.purge))
    attempt("guard", partial(_alone, credential_stuffing.purge))
    attempt("idempotency", partial(_alone, idempotency.purge))
    attempt("overdue", partial(_alone, outbox_queue.give_up_overdue))
    attempt("spent", partial(_alone, captcha.purge))
    attempt("outbox", partial(_alone, partial(outbox.purge, now - LETTERS_KEPT)))
    attempt("sessions", partial(_alone, partial(sessions.purge, now - KEPT)))


def _alone(delete: Callable[[], object]) -> None:
    with writing():
        delete()
    db.session.commit()


def start(app: Flask) -> None:
    """Purge in the background."""
    every(INTERVAL.total_seconds(), app, "housekeeping", purge)
