"""Counters of consecutive failures: one row each, keyed by a digest, updated by one statement."""

from datetime import datetime
from functools import cache
from math import ceil
from uuid import UUID

from sqlalchemy import Connection, TextClause, bindparam, case, select, text

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import UTCDateTime
from gatehouse.lockout.backoff import MAX_WAIT, BackoffSchedule
from gatehouse.lockout.errors import TooManyAttempts
from models import FailedAttemptCounter

NOT_WAITING = clock.UNIX_EPOCH
"""`blocked_until` of a counter that blocks nothing, whichever replica's clock is read."""
_counters = FailedAttemptCounter.metadata.tables["failed_attempts"]
_failures = _counters.c.failures
_matches_keys = _counters.c.key.in_(bindparam("keys", expanding=True))
SELECT_COUNTERS = select(_counters.c.key, _failures, _counters.c.blocked_until).where(_matches_keys)
DELETE_COUNTERS = _counters.delete().where(_matches_keys)
_matches_key = _counters.c.key == bindparam("counter")
POP_COUNTER = _counters.delete().where(_matches_key).returning(_failures)
"""Delete a counter, and return its number of failures."""
DECREMENT_COUNTER = (
    _counters.update()
    .where(_matches_key, _failures > 0)
    .values(
        failures=case((_failures > bindparam("amount"), _failures - bindparam("amount")), else_=0),
        blocked_until=NOT_WAITING,
    )
    .returning(_failures)
)
"""Subtract failures, and block nothing: when they were counted, the counter did not block."""
INCREMENT_COUNTER = (
    "INSERT INTO failed_attempts (key, failures, blocked_until, last_attempt_at)"
    " VALUES (:key, 1, :never, :now)"
    " ON CONFLICT (key) DO UPDATE SET failures = failed_attempts.failures + 1,"
    " last_attempt_at = :now, blocked_until = CASE {waits} ELSE :never END"
    " WHERE failed_attempts.blocked_until <= :now RETURNING failures"
)


def counter_key(scope: str, subject: UUID | str, kind: str) -> str:
    """Return the digest that names a counter; an identifier never collides with a user's id."""
    purpose = crypto_labels.LOCKOUT[kind]
    owner = (
        crypto_labels.LOCKOUT_USER if isinstance(subject, UUID) else crypto_labels.LOCKOUT_UNKNOWN
    )
    return crypto.keyed_digest(purpose, f"{scope}\0{owner}:{subject}")


def increment(connection: Connection, key: str, schedule: BackoffSchedule) -> int:
    """Count a failure, and block the counter as its schedule says; return the new count.

    One statement checks and counts, so that no concurrent attempt can slip in between.

    Raises:
        TooManyAttempts: the counter is blocked; nothing was counted.
    """
    now = clock.now()
    ends = {f"from_{threshold}": now + wait for threshold, wait in schedule.items()}
    counted = connection.execute(
        _increment_statement(*schedule), {"key": key, "now": now} | ends
    ).scalar()
    if counted is None:
        raise TooManyAttempts(_seconds_left(connection, key, now))
    return int(counted)


def decrement(connection: Connection, key: str, amount: int = 1) -> bool:
    """Subtract failures; return whether the counter had any."""
    values = {"counter": key, "amount": amount}
    return connection.execute(DECREMENT_COUNTER, values).first() is not None


@cache
def _increment_statement(*thresholds: int) -> TextClause:
    """Return the INCREMENT_COUNTER statement for a schedule with these thresholds."""
    arms = [f"WHEN failed_attempts.failures >= {n - 1} THEN :from_{n}" for n in sorted(thresholds)]
    statement = text(INCREMENT_COUNTER.format(waits=" ".join(reversed(arms))))
    times = [bindparam(f"from_{n}", type_=UTCDateTime) for n in thresholds]
    times += [bindparam("now", type_=UTCDateTime), bindparam("never", NOT_WAITING, UTCDateTime)]
    return statement.bindparams(*times)


def _seconds_left(connection: Connection, key: str, now: datetime) -> int:
    """Return how long a counter still blocks; 1 if it was reset in the meantime."""
    blocked_until = select(FailedAttemptCounter.blocked_until).where(
        FailedAttemptCounter.key == key
    )
    left = (connection.execute(blocked_until).scalar() or now) - now
    return max(1, ceil(min(left, MAX_WAIT).total_seconds()))
