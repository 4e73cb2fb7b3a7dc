"""While the database is away, nobody waits for it: answers that need it are refused at once.

The token watch is the probe. A database that refuses connections is noticed by each request itself;
one that hangs would hold a thread for each request, until none is left for those that need none.
"""

from flask import Flask, request

from gatehouse.core.errors import ServiceUnavailable
from gatehouse.tokens.worker_state import STALE, state

NEED_NOTHING = {
    "operation.live",
    "operation.ready",
    "operation.show_metrics",
    "pages.docs",
    "pages.static",
}


def guard(app: Flask) -> None:
    """Refuse what needs the database while it is away."""

    @app.before_request
    def shed() -> None:
        if lasts() and request.endpoint not in NEED_NOTHING:
            raise ServiceUnavailable


def lasts() -> bool:
    """Tell whether keys and revocations, once read, could not be read again for 5 seconds."""
    tokens = state()
    return tokens.watched and tokens.read_at is not None and tokens.age > STALE
