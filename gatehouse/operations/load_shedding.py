"""Load shedding: while the database is unreachable, requests that need it get 503 immediately.

The background sync of keys and revocations detects an outage. Without this, a database that hangs
would block one thread per request, until none is left for requests that need no database.
"""

from flask import Flask, request

from gatehouse.core.errors import ServiceUnavailable
from gatehouse.tokens.worker_state import MAX_STATE_AGE, state

DATABASE_FREE_ENDPOINTS = {
    "operations.check_liveness",
    "operations.check_readiness",
    "operations.read_metrics",
    "pages.docs",
    "pages.static",
}


def register_load_shedding(app: Flask) -> None:
    """Reject requests that need the database while it is unreachable."""

    @app.before_request
    def shed() -> None:
        if is_open() and request.endpoint not in DATABASE_FREE_ENDPOINTS:
            raise ServiceUnavailable


def is_open() -> bool:
    """Return whether keys and revocations were read before, but not in the last 5 seconds."""
    tokens = state()
    return tokens.synced_in_background and tokens.read_at is not None and tokens.age > MAX_STATE_AGE
