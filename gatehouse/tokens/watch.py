"""Follows the keys and the revocations: a thread in each worker of the server, every 0.4 s."""

from collections import OrderedDict

from flask import Flask
from sqlalchemy.orm import Session

from gatehouse.foundation import clock, metrics
from gatehouse.foundation.background import attempt, every
from gatehouse.foundation.database import db
from gatehouse.tokens import keys, revocation
from gatehouse.tokens.state import TokenState, state

INTERVAL = 0.4


def read() -> None:
    """Bring this worker's state up to date; a changed ring forgets all verified tokens."""
    tokens, started = state(), clock.monotonic()
    with Session(db.engine) as session:  # never the request's own, which may be writing
        ring = keys.read_ring(session, tokens.ring)
        revocation.read_new(session, tokens)
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
    """Read once, so that the worker is ready when it listens, then watch in the background."""
    app.extensions["gatehouse.tokens"].watched = True
    with app.app_context():
        attempt("token watch", read)
    every(INTERVAL, app, "token watch", read)
