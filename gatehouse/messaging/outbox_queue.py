"""The queue of the outbox: messages are taken with a lease, and settled by whoever still has it.

The same statements on PostgreSQL and SQLite: one skips the rows that another worker is just taking,
the other lets one writer in at a time. The reasons are in docs/decisions/0018.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select, update
from sqlalchemy.orm import aliased

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, metrics
from gatehouse.database.session import db
from gatehouse.messaging.message import DeliveryFailed
from gatehouse.messaging.outbox import waits
from gatehouse.web.request_context import Visitor
from models import OutboxMessage

LEASE = timedelta(minutes=2)
"""A worker that has died keeps its messages for so long."""
LONGEST_WAIT = timedelta(minutes=5)
"""Between two attempts: a mail server that is back shall not be waited for much longer."""
LONGEST_ASKED = timedelta(hours=1)
"""At most, where the other side says how long to wait."""
ORDER_KEPT = timedelta(minutes=1)
"""A younger message waits for an older one to the same recipient whose turn is that near."""
GIVEN_UP_AFTER = timedelta(days=3)
"""Since it was written; sooner where its code or link has expired, or it is refused for good."""
AT_ONCE = 500
"""Overdue messages that are given up in one transaction."""
COURIER = Visitor(address="", user_agent="", request_id="delivery")

FAILED, EXPIRED, TOO_LATE, REFUSED = "failed", "expired", "too_late", "refused"


@dataclass(frozen=True)
class Claim:
    """A message that is its worker's until the lease ends."""

    row: OutboxMessage
    """As it was taken, apart from any session."""
    leased_until: datetime

    def lasts(self, least: timedelta) -> bool:
        """Tell whether at least so much of the lease is left; a clock that was moved ends it."""
        return least < self.leased_until - clock.now() < 2 * LEASE

    @property
    def overdue(self) -> str:
        """Why there is no use in sending it any more, or nothing."""
        now = clock.now()
        if self.row.good_until and self.row.good_until <= now:
            return EXPIRED
        return TOO_LATE if self.row.created_at <= now - GIVEN_UP_AFTER else ""


def claim(most: int, without: Collection[str] = ()) -> list[Claim]:
    """Take messages that are due, but of no channel in `without`, in the current transaction.

    No other worker has them before the lease ends.
    """
    now = clock.now()
    rows = db.session.scalars(_locked(_due(now, without).limit(most))).all()
    for row in rows:
        row.leased_until, row.attempts = now + LEASE, row.attempts + 1
    return [Claim(row, now + LEASE) for row in rows]


def is_empty(without: Collection[str] = ()) -> bool:
    """Tell that nothing is due, without taking any lock."""
    due = _due(clock.now(), without).with_only_columns(OutboxMessage.id).limit(1)
    return db.session.scalar(due) is None


def mark_sent(claim: Claim) -> bool:
    """Note that a message was handed over; return whether it still was this worker's."""
    return _settle(claim, "sent", sent_at=clock.now())


def mark_failed(claim: Claim, problem: DeliveryFailed) -> bool:
    """Let a message wait for its next attempt, or give it up where that is useless."""
    if problem.permanent:
        return give_up(claim, REFUSED)
    return _settle(claim, FAILED, due_at=clock.now() + wait_after(claim.row.attempts, problem))


def give_up(claim: Claim, reason: str) -> bool:
    """Send a message never again, and record why."""
    mine = _settle(claim, "given_up", given_up_at=clock.now())
    if mine:
        _record(claim.row, reason)
    return mine


def give_back(claims: Collection[Claim]) -> None:
    """Leave messages that were not tried to the others, as if they had not been taken."""
    for claim in claims:
        _update(claim, attempts=claim.row.attempts - 1)


def give_up_overdue() -> int:
    """Give up what is overdue even where no worker is there to do it; return how many."""
    now = clock.now()
    late = OutboxMessage.created_at <= now - GIVEN_UP_AFTER
    overdue = select(OutboxMessage).where(waits(), _free(now))
    overdue = overdue.where(or_(late, OutboxMessage.good_until <= now)).limit(AT_ONCE)
    rows = db.session.scalars(_locked(overdue)).all()
    for row in rows:
        row.given_up_at = now
        _record(row, Claim(row, now).overdue)
        metrics.MESSAGES.labels(row.channel, "given_up").inc()
    return len(rows)


def wait_after(attempts: int, problem: DeliveryFailed) -> timedelta:
    """Return how long a message waits after so many attempts: twice as long each time.

    Up to half of it is left to chance, so that what failed together does not come back together.
    """
    if problem.retry_after is not None:
        return min(timedelta(seconds=max(1.0, problem.retry_after)), LONGEST_ASKED)
    longest = min(timedelta(seconds=2 ** min(attempts, 30)), LONGEST_WAIT)
    return longest * (1 - crypto.chance() / 2)


def measure() -> None:
    """Set the gauges of the outbox."""
    waiting = select(func.count(), func.min(OutboxMessage.created_at)).where(waits())
    count, oldest = db.session.execute(waiting).one()
    week_ago = clock.now() - timedelta(days=7)
    lost = select(func.count()).where(OutboxMessage.given_up_at > week_ago)
    metrics.MESSAGES_WAITING.set(count)
    metrics.MESSAGES_OLDEST.set((clock.now() - oldest).total_seconds() if oldest else 0)
    metrics.MESSAGES_GIVEN_UP.set(db.session.scalar(lost) or 0)


def _due(now: datetime, without: Collection[str]) -> Select[OutboxMessage]:
    """Select what may be taken; a moment that lies impossibly far ahead is one of a moved clock."""
    turn = or_(
        OutboxMessage.attempts == 0,
        OutboxMessage.due_at <= now,
        OutboxMessage.due_at > now + 2 * LONGEST_ASKED,
    )
    due = select(OutboxMessage).where(waits(), turn, _free(now), not_(_has_one_ahead(now)))
    due = due.where(OutboxMessage.channel.not_in(without)) if without else due
    return due.order_by(OutboxMessage.due_at)


def _free(now: datetime) -> ColumnElement[bool]:
    return or_(
        OutboxMessage.leased_until.is_(None),
        OutboxMessage.leased_until <= now,
        OutboxMessage.leased_until > now + 2 * LEASE,
    )


def _has_one_ahead(now: datetime) -> ColumnElement[bool]:
    """The condition that an older message to the same recipient is not far from its turn.

    It is no EXISTS: PostgreSQL would make a join of that, and compare all with all as long as it
    has no statistics of a queue that has just filled up.
    """
    older = aliased(OutboxMessage)
    is_older = or_(
        older.created_at < OutboxMessage.created_at,
        and_(older.created_at == OutboxMessage.created_at, older.id < OutboxMessage.id),
    )
    ahead = select(older.id).where(
        older.recipient_lower == OutboxMessage.recipient_lower,
        older.channel == OutboxMessage.channel,
        older.sent_at.is_(None),
        older.given_up_at.is_(None),
        older.due_at <= now + ORDER_KEPT,
        is_older,
    )
    return ahead.limit(1).scalar_subquery().is_not(None)


def _locked(rows: Select[OutboxMessage]) -> Select[OutboxMessage]:
    return rows.with_for_update(of=OutboxMessage, skip_locked=True)


def _settle(claim: Claim, outcome: str, **values: Any) -> bool:
    mine = _update(claim, **values)
    if mine:
        metrics.MESSAGES.labels(claim.row.channel, outcome).inc()
    return mine


def _update(claim: Claim, **values: Any) -> bool:
    """Change a row and end its lease, but only where that lease is still the one that was taken."""
    mine = update(OutboxMessage).where(waits(), OutboxMessage.id == claim.row.id)
    mine = mine.where(OutboxMessage.leased_until == claim.leased_until)
    mine = mine.values(leased_until=None, **values).returning(OutboxMessage.id)
    settled = db.session.execute(mine, execution_options={"synchronize_session": False})
    return settled.scalar() is not None


def _record(row: OutboxMessage, reason: str) -> None:
    about: dict[str, Any] = {"message": str(row.id), "channel": row.channel}
    about |= {"template": row.template, "attempts": row.attempts, "reason": reason}
    record(events.Delivery.GIVEN_UP, COURIER, **about)
