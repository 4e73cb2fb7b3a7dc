"""Deletes what is over: a thread in each worker of the server, once in a while."""

import threading
from datetime import timedelta

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from gatehouse.foundation import clock, limits
from gatehouse.foundation.database import db, writing
from gatehouse.foundation.logs import log
from gatehouse.sessions import service as sessions
from gatehouse.tokens import challenges, revocation

INTERVAL = timedelta(minutes=10)
KEPT = timedelta(days=30)
"""How long an ended session stays, for those who ask what happened."""


def purge() -> None:
    """Delete expired challenges, revocations and counters, and sessions that ended long ago."""
    with writing():
        challenges.purge()
        revocation.purge()
        limits.purge()
        sessions.purge(clock.now() - KEPT)
    db.session.commit()


def start(app: Flask) -> threading.Thread:
    """Purge in the background."""
    thread = threading.Thread(target=_work, args=(app,), name="housekeeping", daemon=True)
    thread.start()
    return thread


def _work(app: Flask) -> None:
    pause = threading.Event()
    while not pause.wait(INTERVAL.total_seconds()):
        with app.app_context():
            _try_to_purge()


def _try_to_purge() -> None:
    try:
        purge()
    except SQLAlchemyError as problem:
        log().warning("Old rows stay for now.", reason=type(problem).__name__)
