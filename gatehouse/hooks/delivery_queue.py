"""The deliveries to webhooks as a queue: like the outbox, ordered for each webhook and user.

A worker leases deliveries, and only the lease holder may finish them. A delivery waits until all
older ones to the same webhook that concern the same user are delivered or abandoned. The reasons
are in docs/decisions/0049.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.orm import aliased

from gatehouse.audit.administration_events import Hooks
from gatehouse.audit.event import Event
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, metrics
from gatehouse.core.events import WebhookPaused, publish
from gatehouse.database.lease_queue import LeaseQueue, is_lease_valid
from gatehouse.database.session import advisory_lock, db
from gatehouse.hooks import subscriptions
from gatehouse.hooks.sending import WebhookFailed
from gatehouse.web.request_context import BACKGROUND
from models import Hook, WebhookDelivery, WebhookEvent

PENDING, DELIVERED, ABANDONED = "pending", "delivered", "abandoned"
FAILED = "failed"
"""The outcome of an attempt whose delivery stays pending; the other outcomes are states."""
QUEUE = LeaseQueue(
    WebhookDelivery.id,
    WebhookDelivery.attempts,
    WebhookDelivery.next_attempt_at,
    WebhookDelivery.leased_until,
)
LEASE = timedelta(minutes=2)
"""How long the deliveries of a dead worker stay leased."""
RETRY_DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""Before the second and each further attempt: about three days, then a delivery is abandoned."""
MAX_RETRY_AFTER = timedelta(hours=1)
PAUSE_AFTER = timedelta(hours=24)
"""How long a webhook may fail without any success before it is paused."""
RETENTION = timedelta(days=14)
"""How long events are kept, delivered or not; so far back they can be replayed."""
BATCH_SIZE = 2000
"""Rows that one statement deletes; each has to end within five seconds."""
DELIVERY = replace(BACKGROUND, request_id="webhooks")
GONE = 410
UNSYNCHRONIZED = {"synchronize_session": False}
ORDER = (WebhookDelivery.next_attempt_at, WebhookDelivery.id)
"""Of the deliveries to one webhook, as in their index; those of one user go by `is_first`."""


@dataclass(frozen=True)
class Lease:
    """A delivery that is leased to one worker; the rows are detached from any session."""

    row: WebhookDelivery
    event: WebhookEvent
    hook: Hook
    leased_until: datetime

    def is_valid_for(self, duration: timedelta) -> bool:
        """Return whether the lease lasts longer than `duration`; a moved clock ends it."""
        return is_lease_valid(self.leased_until, duration, LEASE)


def list_due_hooks() -> list[UUID]:
    """Return the ids of the webhooks that have due deliveries; takes no lock.

    For each webhook it reads up to the first one, in the order of an index: a backlog of millions
    takes no longer than an empty queue.
    """
    due = select(WebhookDelivery.id).where(WebhookDelivery.hook_id == Hook.id)
    due = due.where(*_is_due(clock.now())).order_by(*ORDER).limit(1)
    has_due = due.scalar_subquery().is_not(None)
    return list(db.session.scalars(select(Hook.id).where(*_is_active(), has_due)))


def lease_deliveries(hook_id: UUID, limit: int) -> list[Lease]:
    """Lease due deliveries to a webhook in the current transaction, at most one for each user."""
    now = clock.now()
    due = _select_due(now).where(WebhookDelivery.hook_id == hook_id)
    due = due.order_by(*ORDER).limit(limit)
    found = db.session.execute(due.with_for_update(of=WebhookDelivery, skip_locked=True)).all()
    for row in found:
        row.WebhookDelivery.leased_until = now + LEASE
        row.WebhookDelivery.attempts += 1
    return [Lease(row.WebhookDelivery, row.WebhookEvent, row.Hook, now + LEASE) for row in found]


def mark_delivered(lease: Lease, status: int) -> bool:
    """Mark a delivery as delivered; return whether the lease was still valid."""
    values = {"state": DELIVERED, "last_status": status, "last_error": None}
    was_leased = _finish_lease(lease, DELIVERED, **values)
    if lease.hook.failing_since:
        _set_hook(lease.hook.id, failing_since=None)
        lease.hook.failing_since = None
    return was_leased


def mark_failed(lease: Lease, failure: WebhookFailed) -> bool:
    """Schedule the next attempt, or abandon the delivery after the last one.

    A webhook that is gone (410) is disabled, and one that has failed for long is paused; then
    nothing is abandoned. Returns whether the lease was still valid.
    """
    values = {"last_status": failure.status, "last_error": str(failure)[:200]}
    if failure.status == GONE:
        was_leased = _finish_lease(lease, FAILED, attempts=lease.row.attempts - 1, **values)
        _disable(lease.hook)
    elif _note_failure(lease.hook, str(failure)):
        was_leased = _finish_lease(lease, FAILED, attempts=0, **values)
    elif lease.row.attempts > len(RETRY_DELAYS):
        was_leased = _finish_lease(lease, ABANDONED, state=ABANDONED, **values)
        if was_leased:
            _record(Hooks.DELIVERY_ABANDONED, lease.hook, event_id=str(lease.event.id))
    else:
        following = clock.now() + retry_delay(lease.row.attempts, failure)
        was_leased = _finish_lease(lease, FAILED, next_attempt_at=following, **values)
    return was_leased


def release_leases(leases: Sequence[Lease]) -> None:
    """Release deliveries that were not tried; the attempt is not counted."""
    for lease in leases:
        _update_if_leased(lease, attempts=lease.row.attempts - 1)


def retry_delay(attempts: int, failure: WebhookFailed) -> timedelta:
    """Return the delay after so many attempts, with jitter; longer if the receiver asks for it."""
    delay = RETRY_DELAYS[min(attempts, len(RETRY_DELAYS)) - 1]
    asked = min(timedelta(seconds=failure.retry_after), MAX_RETRY_AFTER)
    return max(delay * (1 - crypto.random_fraction() / 10), asked)


def resume_deliveries(hook_id: UUID) -> None:
    """Make all pending deliveries to a webhook due now, in the current transaction.

    Most of a backlog was never tried, and is due already.
    """
    now = clock.now()
    waiting = update(WebhookDelivery).where(
        WebhookDelivery.hook_id == hook_id,
        WebhookDelivery.state == PENDING,
        WebhookDelivery.next_attempt_at > now,
    )
    now_due = waiting.values(next_attempt_at=now)
    db.session.execute(now_due, execution_options=UNSYNCHRONIZED)


def delete_deliveries(hook_id: UUID) -> None:
    """Delete the deliveries to a webhook, in the current transaction."""
    own, event_id = WebhookDelivery.hook_id == hook_id, WebhookDelivery.event_id
    batch = select(event_id).where(own).order_by(event_id).limit(BATCH_SIZE)
    after, count = UUID(int=0), BATCH_SIZE
    while count == BATCH_SIZE:  # what comes meanwhile is deleted with the hook
        ids = db.session.scalars(batch.where(event_id > after)).all()
        rows = delete(WebhookDelivery).where(own, event_id.in_(ids))
        db.session.execute(rows, execution_options=UNSYNCHRONIZED)
        after, count = ids[-1] if ids else after, len(ids)


def purge_events() -> bool:
    """Delete the oldest events that are older than the retention, with their deliveries.

    Returns:
        Whether there may be more.
    """
    advisory_lock("webhook retention")
    expired = select(WebhookEvent.id).where(WebhookEvent.created_at < clock.now() - RETENTION)
    expired = expired.order_by(WebhookEvent.created_at).limit(BATCH_SIZE)
    ids = db.session.scalars(expired).all()
    rows = delete(WebhookEvent).where(WebhookEvent.id.in_(ids))
    db.session.execute(rows, execution_options=UNSYNCHRONIZED)
    return len(ids) == BATCH_SIZE


def update_metrics() -> None:
    """Set the gauges of webhooks."""
    pending = select(func.count(), func.min(WebhookEvent.created_at)).select_from(WebhookDelivery)
    pending = pending.join(WebhookEvent).where(WebhookDelivery.state == PENDING)
    count, oldest = db.session.execute(pending).one()
    paused = select(func.count()).select_from(Hook).where(Hook.paused_at.is_not(None))
    metrics.WEBHOOKS_WAITING.set(count)
    metrics.OLDEST_WEBHOOK_AGE.set((clock.now() - oldest).total_seconds() if oldest else 0)
    metrics.WEBHOOKS_PAUSED.set(db.session.scalar(paused) or 0)


def _is_active() -> tuple[ColumnElement[bool], ...]:
    return Hook.enabled.is_(True), Hook.paused_at.is_(None)


def _is_due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of due deliveries."""
    is_due = QUEUE.is_due(now, RETRY_DELAYS[-1])
    is_unleased = QUEUE.is_unleased(now, LEASE)
    return WebhookDelivery.state == PENDING, is_due, is_unleased


def _select_due(now: datetime) -> Select[WebhookDelivery, WebhookEvent, Hook]:
    """Select due deliveries that are behind no older one of the same user.

    A scalar subquery, not EXISTS, for the reason in `messaging.outbox_queue`.
    """
    older = aliased(WebhookDelivery)
    older_ids = select(older.id).where(
        older.hook_id == WebhookDelivery.hook_id,
        older.user_id == WebhookDelivery.user_id,
        older.id < WebhookDelivery.id,
        older.state == PENDING,
    )
    is_first = older_ids.limit(1).scalar_subquery().is_(None)
    due = select(WebhookDelivery, WebhookEvent, Hook).select_from(WebhookDelivery)
    due = due.join(WebhookEvent).join(Hook, Hook.id == WebhookDelivery.hook_id)
    return due.where(*_is_active(), *_is_due(now), is_first)


def _finish_lease(lease: Lease, outcome: str, **values: object) -> bool:
    was_leased = _update_if_leased(lease, last_attempt_at=clock.now(), **values)
    if was_leased:
        metrics.WEBHOOKS.labels(outcome).inc()
    return was_leased


def _update_if_leased(lease: Lease, **values: object) -> bool:
    """Update a row and end its lease if the lease is still valid; return whether it was."""
    row_id, until, is_pending = lease.row.id, lease.leased_until, WebhookDelivery.state == PENDING
    return QUEUE.update_if_leased(row_id, until, is_pending, **values)


def _note_failure(hook: Hook, reason: str) -> bool:
    """Note since when a webhook fails; pause it if that is long ago, and return whether."""
    now = clock.now()
    if hook.failing_since is None:
        _set_hook(hook.id, failing_since=func.coalesce(Hook.failing_since, now))
        hook.failing_since = now  # for the other leases of the batch
        return False
    values = {"paused_at": now, "paused_reason": reason[:200], "version": Hook.version + 1}
    has_failed_long = Hook.failing_since <= now - PAUSE_AFTER
    is_paused = _set_hook(hook.id, Hook.paused_at.is_(None), has_failed_long, **values)
    if is_paused:
        _record(Hooks.PAUSED, hook, reason=reason[:200])
        publish(WebhookPaused(hook.name, reason[:200]))
    return is_paused


def _disable(hook: Hook) -> None:
    if _set_hook(hook.id, Hook.enabled.is_(True), enabled=False, version=Hook.version + 1):
        subscriptions.record_change()
        _record(Hooks.GONE, hook)


def _set_hook(hook_id: UUID, *conditions: ColumnElement[bool], **values: object) -> bool:
    change = update(Hook).where(Hook.id == hook_id, *conditions)
    values.setdefault("updated_at", Hook.updated_at)
    change = change.values(**values).returning(Hook.id)
    return db.session.execute(change, execution_options=UNSYNCHRONIZED).scalar() is not None


def _record(event: Event, hook: Hook, **details: Any) -> None:
    record(event, DELIVERY, hook_id=str(hook.id), name=hook.name, **details)
