"""Lockout: failed attempts slow down their device or network, never the owner elsewhere.

Consecutive failures of passwords, codes and factors are counted per account: on a known device by
device, from elsewhere by network, and in one total over all unknown devices. A device or a network
waits longer after each failure; so does an IPv6 prefix, which has many networks, after more
failures. The total blocks nothing until it locks the account for unknown devices. An attempt is
counted, and committed, before it is evaluated, so that no rollback, no concurrency and no crash
makes one free.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import product
from uuid import UUID

from sqlalchemy import Connection, delete, select

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto_labels, metrics
from gatehouse.core.log import logger
from gatehouse.database import refunds
from gatehouse.database.session import autocommit_write, autonomous_transaction, db
from gatehouse.database.statements import fetch_all
from gatehouse.devices import service as devices
from gatehouse.lockout import counters
from gatehouse.lockout.backoff import (
    BACKOFF_BY_KIND,
    CODE,
    FACTOR,
    MAX_FAILURES,
    PASSWORD,
    PREFIX_BACKOFF_BY_KIND,
    PREFIX_MULTIPLIER,
    TOTAL_BACKOFF_BY_KIND,
    wait_after,
)
from gatehouse.lockout.errors import FactorLocked, PasswordLocked, TooManyAttempts
from gatehouse.web.request_context import RequestContext
from models import FailedAttemptCounter

STALE_AFTER = timedelta(days=90)
"""An unused counter that blocks nothing is deleted after this time."""
LOCK_ERRORS: dict[str, Callable[[], TooManyAttempts]] = {
    PASSWORD: PasswordLocked,
    FACTOR: FactorLocked,
}
"""What unknown devices get until the account is unlocked; too many codes only make them wait."""


@dataclass(frozen=True)
class CountedAttempt:
    """An attempt that was counted as a failure, until it turns out to be right."""

    user_id: UUID | None
    device_id: UUID | None
    source_key: str
    """The key of the counter of the device or the network."""
    prefix_key: str
    """The key of the counter of the IPv6 prefix; empty if there is none."""
    total_key: str
    """The key of the total."""
    failures_here: int
    """In a row on the device or from the network, including this one."""
    failures_from_prefix: int
    """In a row from the IPv6 prefix, including this one; 0 if there is none."""
    failures_from_unknown_devices: int
    """In the total, including this one; 0 on a known device."""
    kind: str = PASSWORD
    """`password`, `code` or `factor`."""


@dataclass(frozen=True)
class LockoutState:
    """The counters that a password attempt from an unknown device would meet."""

    failures: int
    """In a row from the network, or a fourth of those from its IPv6 prefix if that is more."""
    is_blocked: bool
    """Whether the attempt would be rejected."""


def get_state(subject: UUID | str, context: RequestContext) -> LockoutState:
    """Return the state for a password attempt from an unknown device; count nothing.

    `subject` is as with `count_attempt`.
    """
    source_key, prefix_key, total_key = _counter_keys(subject, None, context, PASSWORD)
    found = fetch_all(counters.SELECT_COUNTERS, keys=[source_key, prefix_key, total_key])
    failures = {row.key: row.failures for row in found}
    is_blocked = any(row.blocked_until > clock.now() for row in found)
    from_prefix = failures.get(prefix_key, 0) // PREFIX_MULTIPLIER
    return LockoutState(max(failures.get(source_key, 0), from_prefix), is_blocked)


def count_attempt(
    subject: UUID | str, device_id: UUID | None, context: RequestContext, kind: str = PASSWORD
) -> CountedAttempt:
    """Count an attempt before it is evaluated, and commit the count.

    `subject` is a user's id, or the canonical form of an unknown identifier; `kind` is `password`,
    `code` or `factor`.

    Raises:
        TooManyAttempts: a counter blocks the attempt; nothing was counted.
    """
    refunds.give_back_delayed()
    user_id = subject if isinstance(subject, UUID) else None
    keys = source_key, prefix_key, total_key = _counter_keys(subject, device_id, context, kind)
    prefix_schedule = PREFIX_BACKOFF_BY_KIND[kind]
    try:
        with autocommit_write() if device_id else autonomous_transaction() as connection:
            here = counters.increment(connection, source_key, BACKOFF_BY_KIND[kind])
            from_prefix = (
                counters.increment(connection, prefix_key, prefix_schedule) if prefix_key else 0
            )
            total = 0 if device_id else _increment_total(connection, total_key, kind)
    except counters.CounterBlocked:
        metrics.PASSWORD_ATTEMPTS_THROTTLED.inc()
        seconds = counters.seconds_left(keys[:1] if device_id else keys)
        fields = {"user": user_id and str(user_id), "seconds": seconds}
        logger().warning(f"A {kind} was not evaluated.", **fields)
        raise (TooManyAttempts(seconds) if seconds else LOCK_ERRORS[kind]()) from None
    attempt = CountedAttempt(user_id, device_id, *keys, here, from_prefix, total, kind)
    refunds.add_refund(attempt, partial(_subtract, attempt))
    return attempt


def _increment_total(connection: Connection, key: str, kind: str) -> int:
    schedule = TOTAL_BACKOFF_BY_KIND[kind]
    return counters.increment(connection, key, schedule, starts_again=kind == CODE)


def withdraw_attempt(attempt: CountedAttempt) -> None:
    """Take back the count of an attempt that was never evaluated, now or after an outage."""
    refunds.drop_refund(attempt)
    refunds.give_back_or_delay(partial(_subtract, attempt))


def _subtract(attempt: CountedAttempt) -> None:
    with autonomous_transaction() as connection:
        was_counted = counters.decrement(connection, attempt.source_key)
        if was_counted and attempt.prefix_key:  # else a reset has taken it off the prefix as well
            counters.decrement(connection, attempt.prefix_key)
        if not attempt.device_id:
            counters.decrement(connection, attempt.total_key)


def reset_counters(attempt: CountedAttempt) -> None:
    """Reset the counter of the device or the network after a successful attempt, and commit.

    The failures of a network are subtracted from its IPv6 prefix. A known device also resets the
    total; otherwise only this attempt is subtracted from it.
    """
    with autocommit_write() if attempt.device_id else autonomous_transaction() as connection:
        _reset(attempt, connection)
    refunds.drop_refund(attempt)


def reset_in_transaction(attempt: CountedAttempt) -> None:
    """Reset the counters like `reset_counters`, but within the current transaction."""
    _reset(attempt, db.session.connection())


def _reset(attempt: CountedAttempt, connection: Connection) -> None:
    if attempt.device_id:
        keys = {"keys": [attempt.source_key, attempt.total_key]}
        connection.execute(counters.DELETE_COUNTERS, keys)
        return
    popped = connection.execute(counters.POP_COUNTER, {"counter": attempt.source_key}).scalar()
    if popped is not None and attempt.prefix_key:
        counters.decrement(connection, attempt.prefix_key, popped)
    counters.decrement(connection, attempt.total_key)


def record_failure(attempt: CountedAttempt, context: RequestContext) -> bool:
    """Record the consequences of a failed attempt, in the current transaction.

    Returns:
        Whether a wait or a lock began just now that the user should be notified of.
    """
    user_id = attempt.user_id
    schedule, prefix_schedule = BACKOFF_BY_KIND[attempt.kind], PREFIX_BACKOFF_BY_KIND[attempt.kind]
    waits = (
        (wait_after(schedule, attempt.failures_here), attempt.failures_here),
        (wait_after(prefix_schedule, attempt.failures_from_prefix), attempt.failures_from_prefix),
    )
    wait, failures = max(waits)
    if wait:
        seconds = wait.seconds
        record(events.Login.THROTTLED, context, user_id=user_id, failures=failures, seconds=seconds)
    is_locked = attempt.failures_from_unknown_devices == MAX_FAILURES
    if is_locked:
        record(events.Login.ACCOUNT_LOCKED, context, user_id=user_id)
    if attempt.device_id and attempt.failures_here >= MAX_FAILURES:
        devices.forget_device(attempt.device_id)
        db.session.execute(counters.DELETE_COUNTERS, {"keys": [attempt.source_key]})
        record(events.Login.DEVICE_FORGOTTEN, context, user_id=user_id)
    begins = attempt.failures_here == min(schedule)
    begins_for_prefix = attempt.failures_from_prefix == min(prefix_schedule)
    return begins or begins_for_prefix or is_locked


def unlock(user_id: UUID, context: RequestContext, *kinds: str, reason: str | None = None) -> None:
    """Reset the total and the known devices of an account, in the current transaction.

    Applies to all kinds unless some are given. Counters of networks cannot be found by the
    account; they block for an hour at most.
    """
    scopes = [
        crypto_labels.LOCKOUT_TOTAL,
        *(
            f"{crypto_labels.LOCKOUT_DEVICE}{device_id}"
            for device_id in devices.list_device_ids(user_id)
        ),
    ]
    keys = [
        counters.counter_key(scope, user_id, kind)
        for scope, kind in product(scopes, kinds or BACKOFF_BY_KIND)
    ]
    db.session.execute(counters.DELETE_COUNTERS, {"keys": keys})
    record(events.Login.ACCOUNT_UNLOCKED, context, user_id=user_id, reason=reason)


def purge_stale_counters() -> None:
    """Delete unused counters, except those that block or that another transaction has locked."""
    is_stale = (FailedAttemptCounter.last_attempt_at < clock.now() - STALE_AFTER) | (
        FailedAttemptCounter.failures == 0
    )
    stale = select(FailedAttemptCounter.key).where(
        is_stale, FailedAttemptCounter.blocked_until <= clock.now()
    )
    unlocked = stale.with_for_update(skip_locked=True)
    db.session.execute(delete(FailedAttemptCounter).where(FailedAttemptCounter.key.in_(unlocked)))


def _counter_keys(
    subject: UUID | str, device_id: UUID | None, context: RequestContext, kind: str
) -> tuple[str, str, str]:
    """Return the keys of the device or network, of its IPv6 prefix if any, and of the total."""
    has_prefix = not device_id and context.ip_prefix != context.network
    prefix_scope = f"{crypto_labels.LOCKOUT_IP_PREFIX}{context.ip_prefix}"
    scope = (
        f"{crypto_labels.LOCKOUT_DEVICE}{device_id}"
        if device_id
        else f"{crypto_labels.LOCKOUT_NETWORK}{context.network}"
    )
    return (
        counters.counter_key(scope, subject, kind),
        counters.counter_key(prefix_scope, subject, kind) if has_prefix else "",
        counters.counter_key(crypto_labels.LOCKOUT_TOTAL, subject, kind),
    )
