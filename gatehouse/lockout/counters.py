"""Counters of consecutive failures: one row each, keyed by a digest, updated by one statement."""

from collections.abc import Sequence
from functools import cache
from math import ceil
from uuid import UUID

from sqlalchemy import Connection, TextClause, bindparam, case, select, text

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import UTCDateTime
from gatehouse.database.statements import fetch_all
from gatehouse.lockout.backoff import UNTIL_UNLOCKED, BackoffSchedule
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
    " ON CONFLICT (key) DO UPDATE SET failures = CASE WHEN {starts_again} THEN 1"
    " ELSE failed_attempts.failures + 1 END,"
    " last_attempt_at = :now, blocked_until = CASE WHEN {starts_again} THEN :never {waits}"
    " ELSE :never END"
    " WHERE failed_attempts.blocked_until <= :now RETURNING failures"
)


def counter_key(scope: str, subject: UUID | str, kind: str) -> str:
    """Return the digest that names a counter; an identifier never collides with a user's id."""
    purpose = crypto_labels.LOCKOUT[kind]
    owner = (
        crypto_labels.LOCKOUT_USER if isinstance(subject, UUID) else crypto_labels.LOCKOUT_UNKNOWN
    )
    return crypto.keyed_digest(purpose, f"{scope}\0{owner}:{subject}")


class CounterBlocked(Exception):
    """A counter is blocked; nothing was counted."""


def increment(
    connection: Connection, key: str, schedule: BackoffSchedule, starts_again: bool = False
) -> int:
    """Count a failure, and block the counter as its schedule says; return the new count.

    One statement checks and counts, so that no concurrent attempt can slip in between. A counter
    that `starts_again` counts from one after it was blocked.

    Raises:
        CounterBlocked: the counter is blocked; nothing was counted.
    """
    now = clock.now()
    ends = {f"from_{threshold}": now + wait for threshold, wait in schedule.items()}
    statement = _increment_statement(starts_again, *schedule)
    counted = connection.execute(statement, {"key": key, "now": now} | ends).scalar()
    if counted is None:
        raise CounterBlocked
    return int(counted)


def decrement(connection: Connection, key: str, amount: int = 1) -> bool:
    """Subtract failures; return whether the counter had any."""
    values = {"counter": key, "amount": amount}
    return connection.execute(DECREMENT_COUNTER, values).first() is not None


@cache
def _increment_statement(starts_again: bool, *thresholds: int) -> TextClause:
    """Return the INCREMENT_COUNTER statement for a schedule with these thresholds."""
    was_blocked = "failed_attempts.blocked_until > :never" if starts_again else "FALSE"
    arms = [f"WHEN failed_attempts.failures >= {n - 1} THEN :from_{n}" for n in sorted(thresholds)]
    waits = " ".join(reversed(arms))
    statement = text(INCREMENT_COUNTER.format(starts_again=was_blocked, waits=waits))
    times = [bindparam(f"from_{n}", type_=UTCDateTime) for n in thresholds]
    times += [bindparam("now", type_=UTCDateTime), bindparam("never", NOT_WAITING, UTCDateTime)]
    return statement.bindparams(*times)


def seconds_left(keys: Sequence[str]) -> int | None:
    """Return how long any of the counters still blocks; 1 if they were reset in the meantime.

    None means: until the account is unlocked.
    """
    now = clock.now()
    ends = [row.blocked_until for row in fetch_all(SELECT_COUNTERS, keys=list(keys))]
    left = max(ends, default=now) - now
    return max(1, ceil(left.total_seconds())) if left < UNTIL_UNLOCKED / 2 else None
