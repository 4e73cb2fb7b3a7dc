"""Whether the database accepts writes: after a failover it may be read-only, or its disk full."""

import sqlite3
from dataclasses import dataclass

from flask import current_app
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gatehouse.core import clock
from gatehouse.core.errors import ServiceUnavailable
from gatehouse.core.log import logger
from gatehouse.database.session import db, end_transaction
from gatehouse.web.rate_limit_storage import DatabaseCounters

INTERVAL = 10.0
"""Seconds for which the result of a write is valid."""
KEY = "gatehouse:write-check"
READ_ONLY_SQLSTATES = {"25006", "53100"}
"""`read_only_sql_transaction` and `disk_full` (PostgreSQL, appendix A)."""
READ_ONLY_SQLITE_CODES = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL}


class WritesUnavailable(ServiceUnavailable):
    """The service can read but not save right now; nothing was changed."""

    next = "Send the request again in a few minutes."


@dataclass(frozen=True)
class WriteResult:
    """The outcome of the last write whose result is known; `at` is monotonic."""

    at: float
    accepted: bool


def is_rejected_write(error: SQLAlchemyError) -> bool:
    """Return whether the database works but accepts no writes."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in READ_ONLY_SQLITE_CODES
    return getattr(cause, "sqlstate", None) in READ_ONLY_SQLSTATES


def record_rejected_write(reason: str) -> None:
    """Record that a write of a request was rejected; readiness reports it."""
    logger().error("The database accepts no writes.", reason=reason)
    _set_result(accepted=False)


def are_writes_accepted() -> bool:
    """Return whether the database accepts writes; try one if the last is 10 seconds old."""
    last: WriteResult | None = current_app.extensions.get("gatehouse.writes")
    if last is None or clock.monotonic() - last.at >= INTERVAL:
        _set_result(_try_write())
    return bool(current_app.extensions["gatehouse.writes"].accepted)


def _try_write() -> bool:
    end_transaction()  # of the checks before, whose connection this one does not need
    try:
        DatabaseCounters("db://").add(KEY, expiry=int(INTERVAL))
    except SQLAlchemyError as error:
        db.session.rollback()
        return not is_rejected_write(error)  # others are found by the other checks of readiness
    return True


def _set_result(accepted: bool) -> None:
    current_app.extensions["gatehouse.writes"] = WriteResult(clock.monotonic(), accepted)
