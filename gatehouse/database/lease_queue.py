"""Rows of a table as a queue: a worker leases due rows, and only the lease holder finishes them.

PostgreSQL and SQLite use the same statements: the former skips rows that another worker has locked,
the latter allows one writer at a time. The reasons are in docs/decisions/0018.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute

from gatehouse.core import clock
from gatehouse.core.log import logger
from gatehouse.database.session import db, end_transaction, write_transaction

WRITE_RETRY_DELAYS = (0.1, 1.0, 5.0)
"""Seconds between attempts to record the outcome of a delivery."""


@dataclass(frozen=True)
class LeaseQueue:
    """The columns of a table by which its rows are leased."""

    id: InstrumentedAttribute[Any]
    attempts: InstrumentedAttribute[int]
    next_attempt_at: InstrumentedAttribute[datetime]
    leased_until: InstrumentedAttribute[datetime | None]

    def is_due(self, now: datetime, longest_delay: timedelta) -> ColumnElement[bool]:
        """Return the condition of due rows; a time too far ahead was set by a wrong clock."""
        return or_(
            self.attempts == 0,
            self.next_attempt_at <= now,
            self.next_attempt_at > now + 2 * longest_delay,
        )

    def is_unleased(self, now: datetime, lease: timedelta) -> ColumnElement[bool]:
        """Return the condition of rows without a valid lease; a moved clock ends it, too."""
        return or_(
            self.leased_until.is_(None),
            self.leased_until <= now,
            self.leased_until > now + 2 * lease,
        )

    def update_if_leased(
        self,
        row_id: object,
        leased_until: datetime,
        is_pending: ColumnElement[bool],
        **values: object,
    ) -> bool:
        """Update a row and end its lease if the lease is still valid; return whether it was."""
        change = update(self.id.class_).where(self.id == row_id, is_pending)
        change = change.where(self.leased_until == leased_until)
        change = change.values(leased_until=None, **values).returning(self.id)
        updated = db.session.execute(change, execution_options={"synchronize_session": False})
        return updated.scalar() is not None


def is_lease_valid(leased_until: datetime, duration: timedelta, lease: timedelta) -> bool:
    """Return whether a lease lasts longer than `duration`; a moved clock ends it."""
    return duration < leased_until - clock.now() < 2 * lease


def record_outcome(update: Callable[[], object]) -> None:
    """Record the outcome of a delivery, with retries: otherwise it would be made again."""
    for delay in WRITE_RETRY_DELAYS:
        with suppress(SQLAlchemyError):
            return _write_outcome(update)
        db.session.remove()
        time.sleep(delay)
    return _write_outcome(update)


def _write_outcome(update: Callable[[], object]) -> None:
    with write_transaction():
        was_leased = update()
    db.session.commit()
    end_transaction()
    if was_leased is False:
        logger().warning("A lease expired during delivery; another worker may send it again.")
