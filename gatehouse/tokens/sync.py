"""Follows the keys and the revocations: a thread in each worker of the server, every 0.4 s."""

import threading
from collections import OrderedDict

from flask import Flask

from gatehouse.core import clock, metrics
from gatehouse.database.background_tasks import attempt, every
from gatehouse.tokens import keys, revocation
from gatehouse.tokens.worker_state import TokenState, state

INTERVAL = 0.4
FIRST_ATTEMPTS = 3
"""A database that is slow just then gets another chance before the worker listens."""


def read() -> None:
    """Bring this worker's state up to date; a changed ring forgets all verified tokens."""
    tokens, started = state(), clock.monotonic()
    ring = keys.read_ring(tokens.ring)
    revocation.read_new(tokens)
    if ring is not tokens.ring:
        tokens.ring = ring
        tokens.verified = OrderedDict()
    tokens.read_at = started
    metrics.REVOCATIONS_READ.set_to_current_time()


def up_to_date() -> TokenState:
    """Return the state; without a watching thread (tests, `flask run`) read it here when due."""
    tokens = state()
    if not tokens.watched and tokens.age > INTERVAL:
        read()
    return tokens


def start(app: Flask) -> None:
    """Read, so that the worker is ready when it listens, then watch in the background."""
    app.extensions["gatehouse.tokens"].watched = True
    with app.app_context():
        begin()
    every(INTERVAL, app, "token watch", read)


def begin() -> None:
    """Read for the first time; a worker that then knows nothing still listens, and says so.

    Its listening is not put off for long: while the database is away, everybody is told at once.
    """
    pause = threading.Event()
    for number in range(FIRST_ATTEMPTS):
        pause.wait(INTERVAL if number else 0)
        attempt("token watch", read)
        if state().read_at is not None:
            return
