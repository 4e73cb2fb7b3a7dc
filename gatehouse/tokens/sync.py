"""Keep the keys and revocations of each worker up to date: a thread reads them every 0.4 s."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from flask import Flask, current_app

from gatehouse.core import clock, metrics
from gatehouse.database.background_tasks import log_exceptions, run_periodically
from gatehouse.database.clock import Reading
from gatehouse.tokens import authorization_changes, keys, revocation
from gatehouse.tokens.worker_state import TokenState, state

INTERVAL = 0.4
FOLLOWERS = "gatehouse.followers"
FIRST_ATTEMPTS = 3
"""Attempts to read before the worker listens, in case the database is slow at start."""


def refresh() -> None:
    """Update the state of this worker; when keys have changed, drop all cached tokens.

    The clock is set last: after a step, tokens are judged by the new time only when all that has
    ended by the new time is known.
    """
    tokens, started = state(), clock.monotonic()
    reading = tokens.clock.observe()
    key_set = keys.read_key_set(tokens.key_set)
    _read_feed(tokens, reading)
    for follow_changes in current_app.extensions.get(FOLLOWERS, ()):
        follow_changes()
    tokens.clock.apply(reading)
    revocation.drop_expired(tokens, min(reading.time, clock.now()))
    authorization_changes.drop_expired(tokens, min(reading.time, clock.now()))
    if key_set is not tokens.key_set:
        tokens.key_set = key_set
        tokens.verified = OrderedDict()
    tokens.read_at = started
    metrics.REVOCATIONS_REFRESHED.set(clock.now().timestamp())


def _read_feed(tokens: TokenState, reading: Reading) -> None:
    """Read what has ended: one window for every kind of row."""
    window = tokens.feed.next_window(reading, tokens.clock.stepped_at)
    revocation.read_revocations(tokens, window)
    authorization_changes.read_changes(tokens, window)
    tokens.feed.advance(reading, window)


def follow(app: Flask, follow_changes: Callable[[], object]) -> None:
    """Let another package keep its memory up to date, too, with each refresh."""
    app.extensions.setdefault(FOLLOWERS, []).append(follow_changes)


def current_state() -> TokenState:
    """Return the state; refresh it here if no thread does (tests, `flask run`) and it is due."""
    tokens = state()
    if not tokens.synced_in_background and tokens.age > INTERVAL:
        refresh()
    return tokens


def start_sync(app: Flask) -> None:
    """Read once, so that the worker is ready when it listens, then refresh in the background."""
    app.extensions["gatehouse.tokens"].synced_in_background = True
    with app.app_context():
        load_initial()
    run_periodically(INTERVAL, app, "token sync", refresh)


def load_initial() -> None:
    """Read for the first time, with up to three attempts.

    If all fail, the worker listens nevertheless and responds 503 until a later read succeeds.
    """
    pause = threading.Event()
    for number in range(FIRST_ATTEMPTS):
        pause.wait(INTERVAL if number else 0)
        log_exceptions("token sync", refresh)
        if state().read_at is not None:
            return
