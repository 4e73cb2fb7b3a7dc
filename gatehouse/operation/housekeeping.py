"""Deletes what is over: a thread in each worker of the server, once in a while."""

from datetime import timedelta

from flask import Flask

from gatehouse.defence import devices, throttle
from gatehouse.delivery import outbox
from gatehouse.foundation import clock, limits
from gatehouse.foundation.background import every
from gatehouse.foundation.database import db, writing
from gatehouse.sessions import service as sessions
from gatehouse.tokens import challenges, revocation

INTERVAL = timedelta(minutes=10)
LETTERS_KEPT = timedelta(days=7)
"""Longer than any code or link that a message can hold is good for."""
KEPT = timedelta(days=30)
"""How long an ended session stays, for those who ask what happened."""


def purge() -> None:
    """Delete expired challenges, revocations and counters, and sessions that ended long ago."""
    with writing():
        challenges.purge()
        revocation.purge()
        limits.purge()
        devices.purge()
        throttle.purge()
        outbox.purge(clock.now() - LETTERS_KEPT)
        sessions.purge(clock.now() - KEPT)
    db.session.commit()


def start(app: Flask) -> None:
    """Purge in the background."""
    every(INTERVAL.total_seconds(), app, "housekeeping", purge)
