"""The outbox as a queue: a worker leases messages, and only the lease holder may finish them.

What all queues share is in `database.lease_queue`; the reasons are in docs/decisions/0018.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select
from sqlalchemy.orm import aliased

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, metrics
from gatehouse.database.lease_queue import LeaseQueue, is_lease_valid
from gatehouse.database.session import db
from gatehouse.messaging.message import DeliveryFailed
from gatehouse.messaging.outbox import is_pending
from gatehouse.web.request_context import BACKGROUND
from models import OutboxMessage

QUEUE = LeaseQueue(
    OutboxMessage.id,
    OutboxMessage.attempts,
    OutboxMessage.next_attempt_at,
    OutboxMessage.leased_until,
)
LEASE = timedelta(minutes=2)
"""How long the messages of a dead worker stay leased."""
MAX_RETRY_DELAY = timedelta(minutes=5)
"""Longest delay between two attempts; so long a recovered mail server may stay unnoticed."""
MAX_RETRY_AFTER = timedelta(hours=1)
"""Longest delay that a server or gateway can ask for."""
ORDERING_WINDOW = timedelta(minutes=1)
"""A message waits for an older one to the same recipient that is due within this time."""
ABANDON_AFTER = timedelta(days=3)
"""Age at which a message is abandoned; earlier if its code expired or it failed permanently."""
ABANDON_BATCH = 500
"""Overdue messages that are abandoned in one transaction."""
DELIVERY = replace(BACKGROUND, request_id="delivery")

FAILED, ABANDONED = "failed", "abandoned"
EXPIRED, TOO_LATE, REFUSED = "expired", "too_late", "refused"


@dataclass(frozen=True)
class Lease:
    """A message that is leased to one worker."""

    row: OutboxMessage
    """As of the lease; detached from any session."""
    leased_until: datetime

    def is_valid_for(self, duration: timedelta) -> bool:
        """Return whether the lease lasts longer than `duration`; a moved clock ends it."""
        return is_lease_valid(self.leased_until, duration, LEASE)

    @property
    def abandon_reason(self) -> str:
        """Why the message must not be sent any more, or ""."""
        now = clock.now()
        if self.row.expires_at and self.row.expires_at <= now:
            return EXPIRED
        return TOO_LATE if self.row.created_at <= now - ABANDON_AFTER else ""


def lease_messages(limit: int, excluded_channels: Collection[str] = ()) -> list[Lease]:
    """Lease due messages in the current transaction, except those of the excluded channels."""
    now = clock.now()
    rows = db.session.scalars(_lock_rows(_select_due(now, excluded_channels).limit(limit))).all()
    for row in rows:
        row.leased_until, row.attempts = now + LEASE, row.attempts + 1
    return [Lease(row, now + LEASE) for row in rows]


def is_empty(excluded_channels: Collection[str] = ()) -> bool:
    """Return whether no message is due; takes no lock."""
    due = _select_due(clock.now(), excluded_channels).with_only_columns(OutboxMessage.id).limit(1)
    return db.session.scalar(due) is None


def mark_sent(lease: Lease) -> bool:
    """Mark a message as sent; return whether the lease was still valid."""
    return _finish_lease(lease, "sent", sent_at=clock.now())


def mark_failed(lease: Lease, error: DeliveryFailed) -> bool:
    """Schedule the next attempt, or abandon the message after a permanent failure.

    Returns whether the lease was still valid.
    """
    if error.permanent:
        return abandon_message(lease, REFUSED)
    return _finish_lease(
        lease, FAILED, next_attempt_at=clock.now() + retry_delay(lease.row.attempts, error)
    )


def abandon_message(lease: Lease, reason: str) -> bool:
    """Abandon a message and record the reason; return whether the lease was still valid."""
    was_leased = _finish_lease(lease, ABANDONED, abandoned_at=clock.now())
    if was_leased:
        _record_abandoned(lease.row, reason)
    return was_leased


def release_leases(leases: Collection[Lease]) -> None:
    """Release messages that were not tried; the attempt is not counted."""
    for lease in leases:
        _update_if_leased(lease, attempts=lease.row.attempts - 1)


def abandon_overdue() -> int:
    """Abandon a batch of overdue messages, also where no worker runs; return how many."""
    now = clock.now()
    is_late = OutboxMessage.created_at <= now - ABANDON_AFTER
    overdue = select(OutboxMessage).where(is_pending(), _is_unleased(now))
    overdue = overdue.where(or_(is_late, OutboxMessage.expires_at <= now)).limit(ABANDON_BATCH)
    rows = db.session.scalars(_lock_rows(overdue)).all()
    for row in rows:
        row.abandoned_at = now
        _record_abandoned(row, Lease(row, now).abandon_reason)
        metrics.MESSAGES.labels(row.channel, ABANDONED).inc()
    return len(rows)


def retry_delay(attempts: int, error: DeliveryFailed) -> timedelta:
    """Return the delay before the next attempt: exponential backoff with jitter of up to half.

    The jitter keeps messages that failed together from being retried together.
    """
    if error.retry_after is not None:
        return min(timedelta(seconds=max(1.0, error.retry_after)), MAX_RETRY_AFTER)
    longest = min(timedelta(seconds=2 ** min(attempts, 30)), MAX_RETRY_DELAY)
    return longest * (1 - crypto.random_fraction() / 2)


def update_metrics() -> None:
    """Set the gauges of the outbox."""
    waiting = select(func.count(), func.min(OutboxMessage.created_at)).where(is_pending())
    count, oldest = db.session.execute(waiting).one()
    week_ago = clock.now() - timedelta(days=7)
    abandoned = select(func.count()).where(OutboxMessage.abandoned_at > week_ago)
    metrics.MESSAGES_WAITING.set(count)
    metrics.OLDEST_MESSAGE_AGE.set((clock.now() - oldest).total_seconds() if oldest else 0)
    metrics.MESSAGES_ABANDONED.set(db.session.scalar(abandoned) or 0)


def _select_due(now: datetime, excluded_channels: Collection[str]) -> Select[OutboxMessage]:
    """Select the messages to lease; a time too far in the future was set by a wrong clock."""
    is_due = QUEUE.is_due(now, MAX_RETRY_AFTER)
    due = select(OutboxMessage).where(
        is_pending(), is_due, _is_unleased(now), not_(_is_behind_older(now))
    )
    due = due.where(OutboxMessage.channel.not_in(excluded_channels)) if excluded_channels else due
    return due.order_by(OutboxMessage.next_attempt_at)


def _is_unleased(now: datetime) -> ColumnElement[bool]:
    return QUEUE.is_unleased(now, LEASE)


def _is_behind_older(now: datetime) -> ColumnElement[bool]:
    """Return the condition that an older message to the same recipient is due soon.

    A scalar subquery, not EXISTS: PostgreSQL would turn that into a join and compare all rows with
    all, while it has no statistics of a queue that has just filled up.
    """
    older = aliased(OutboxMessage)
    is_older = or_(
        older.created_at < OutboxMessage.created_at,
        and_(older.created_at == OutboxMessage.created_at, older.id < OutboxMessage.id),
    )
    older_ids = select(older.id).where(
        older.recipient_lower == OutboxMessage.recipient_lower,
        older.channel == OutboxMessage.channel,
        older.sent_at.is_(None),
        older.abandoned_at.is_(None),
        older.next_attempt_at <= now + ORDERING_WINDOW,
        is_older,
    )
    return older_ids.limit(1).scalar_subquery().is_not(None)


def _lock_rows(rows: Select[OutboxMessage]) -> Select[OutboxMessage]:
    return rows.with_for_update(of=OutboxMessage, skip_locked=True)


def _finish_lease(lease: Lease, outcome: str, **values: object) -> bool:
    was_leased = _update_if_leased(lease, **values)
    if was_leased:
        metrics.MESSAGES.labels(lease.row.channel, outcome).inc()
    return was_leased


def _update_if_leased(lease: Lease, **values: object) -> bool:
    """Update a row and end its lease if the lease is still valid; return whether it was."""
    row_id, until = lease.row.id, lease.leased_until
    return QUEUE.update_if_leased(row_id, until, is_pending(), **values)


def _record_abandoned(row: OutboxMessage, reason: str) -> None:
    record(
        events.Delivery.ABANDONED,
        DELIVERY,
        message=str(row.id),
        channel=row.channel,
        template=row.template,
        attempts=row.attempts,
        reason=reason,
    )
