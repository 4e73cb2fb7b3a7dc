"""Refunds: what a request counted against its client, and gets back when it is answered 503.

Attempts and rate limits are counted, and committed, before what they count is evaluated. A request
that could not be served gets its counts back at once, or as soon as the database is back. After a
crash they stay: no failure makes an attempt free that may have been evaluated.
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from flask import Flask, Response, current_app, g, has_request_context
from sqlalchemy.exc import SQLAlchemyError

from gatehouse.core.log import logger
from gatehouse.database.background_tasks import run_periodically
from gatehouse.database.session import db

INTERVAL = 1.0
"""Seconds between two tries to give back what an outage delayed."""
MAX_DELAYED = 10_000
"""More are dropped, the oldest first: what they counted stays counted."""
DELAYED = "gatehouse.delayed_refunds"

GiveBack = Callable[[], object]


@dataclass(frozen=True)
class Refund:
    """How to give back one count, in a transaction of its own."""

    give_back: GiveBack
    is_attempt: bool
    """Whether an attempt at a secret was counted: once that is evaluated, it stays counted."""


def set_up(app: Flask) -> None:
    """Give back what a request counted when it is answered 503."""
    app.extensions[DELAYED] = deque(maxlen=MAX_DELAYED)
    app.after_request(_settle_request)


def start_refunds(app: Flask) -> None:
    """Give back in the background what an outage delayed."""
    run_periodically(INTERVAL, app, "refunds", give_back_delayed)


def add_refund(key: Hashable, give_back: GiveBack, is_attempt: bool = True) -> None:
    """Give one count back if the current request, if any, is answered 503."""
    if has_request_context():
        _refunds()[key] = Refund(give_back, is_attempt)


def drop_refund(key: Hashable) -> None:
    """Keep a count, or note that it is given back already."""
    if has_request_context():
        _refunds().pop(key, None)


def keep_attempts() -> None:
    """Keep the counts of the request's attempts: an error that is no 503 has decided it."""
    for key in [key for key, refund in _refunds().items() if refund.is_attempt]:
        del _refunds()[key]


def give_back_hits() -> None:
    """Give back what the request used up of its rate limits, now."""
    for key in [key for key, refund in _refunds().items() if not refund.is_attempt]:
        give_back_or_delay(_refunds().pop(key).give_back)


def give_back_or_delay(give_back: GiveBack) -> bool:
    """Give one count back now, or as soon as the database is back; return whether it is done."""
    try:
        give_back()
    except SQLAlchemyError as error:
        db.session.remove()  # unlike a rollback, it cannot fail on a lost connection
        logger().warning("A count is given back later.", reason=type(error).__name__)
        _delayed().append(give_back)
        return False
    return True


def give_back_delayed() -> None:
    """Give back what could not be given back before, until the database fails again."""
    delayed = _delayed()
    while delayed:
        if not give_back_or_delay(delayed.popleft()):
            return


def _settle_request(response: Response) -> Response:
    """Give everything back after a 503; once the database has failed, it is not asked again."""
    refunds = _refunds()
    while response.status_code == 503 and refunds:
        _, refund = refunds.popitem()
        if not give_back_or_delay(refund.give_back):
            _delayed().extend(other.give_back for other in refunds.values())
            refunds.clear()
    return response


def _refunds() -> dict[Hashable, Refund]:
    """Return the refunds of the current request."""
    if "refunds" not in g:
        g.refunds = {}
    refunds: dict[Hashable, Refund] = g.refunds
    return refunds


def _delayed() -> deque[GiveBack]:
    delayed: deque[GiveBack] = current_app.extensions[DELAYED]
    return delayed
