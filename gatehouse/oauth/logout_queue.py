"""The queue of logout notifications: who is notified of an ended session, until it succeeds.

A notification is written in the transaction that ends the session, so that none is lost. A worker
leases it (see `database.lease_queue`) and sends a logout token that it builds at that moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select

from gatehouse.audit.oauth_events import OAuth
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, metrics
from gatehouse.core.events import UserErased
from gatehouse.database.lease_queue import LeaseQueue, is_lease_valid
from gatehouse.database.session import db
from gatehouse.web.request_context import BACKGROUND, RequestContext
from models import LogoutNotification, OAuthClient, OAuthGrant

PENDING, DELIVERED, ABANDONED = "pending", "delivered", "abandoned"
FAILED = "failed"
"""The outcome of an attempt whose notification stays pending; the other outcomes are states."""
QUEUE = LeaseQueue(
    LogoutNotification.id,
    LogoutNotification.attempts,
    LogoutNotification.next_attempt_at,
    LogoutNotification.leased_until,
)
LEASE = timedelta(minutes=2)
"""How long the notifications of a dead worker stay leased."""
RETRY_DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200, 18_000, 28_800, 28_800)
)
"""Before the second and each further attempt: about a day, then a notification is abandoned."""
RETENTION = timedelta(days=1)
"""How long finished notifications are kept."""
BATCH_SIZE = 2000
"""Rows that one statement deletes; each has to end within five seconds."""
DELIVERY = replace(BACKGROUND, request_id="logout")
UNSYNCHRONIZED = {"synchronize_session": False}
ORDER = (LogoutNotification.next_attempt_at, LogoutNotification.id)


@dataclass(frozen=True)
class Lease:
    """A notification that is leased to one worker; the rows are detached from any session."""

    row: LogoutNotification
    client: OAuthClient
    leased_until: datetime

    def is_valid_for(self, duration: timedelta) -> bool:
        """Return whether the lease lasts longer than `duration`; a moved clock ends it."""
        return is_lease_valid(self.leased_until, duration, LEASE)


class LogoutFailed(Exception):
    """A client did not accept a logout token; the reason contains nothing of its answer's body."""

    def __init__(self, reason: str, status: int | None = None, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        """The status of the answer; None if there was none."""
        self.is_final = is_final
        """Whether another attempt is useless."""


def queue_notifications(grants: Sequence[OAuthGrant]) -> None:
    """Queue one notification for each client and `sid` of grants whose codes were redeemed.

    Clients without a `backchannel_logout_uri` get none; one that waits is not queued again.
    """
    by_sid = {(grant.client_id, grant.sid): grant for grant in grants if grant.code_used_at}
    if not by_sid:
        return
    notified = select(OAuthClient.id).where(
        OAuthClient.id.in_({client_id for client_id, _ in by_sid}),
        OAuthClient.backchannel_logout_uri.is_not(None),
    )
    clients, waiting = set(db.session.scalars(notified)), _list_waiting(by_sid)
    for (client_id, sid), grant in by_sid.items():
        if client_id in clients and (client_id, sid) not in waiting:
            _add(grant)


def _list_waiting(by_sid: dict[tuple[str, UUID], OAuthGrant]) -> set[tuple[str, UUID]]:
    columns = LogoutNotification.client_id, LogoutNotification.sid
    users = {grant.user_id for grant in by_sid.values()}
    waiting = select(*columns).where(
        LogoutNotification.user_id.in_(users),
        LogoutNotification.state == PENDING,
        LogoutNotification.attempts == 0,
    )
    return {(row.client_id, row.sid) for row in db.session.execute(waiting)}


def _add(grant: OAuthGrant) -> None:
    notification = LogoutNotification(client_id=grant.client_id, user_id=grant.user_id)
    notification.subject, notification.sid = grant.subject, grant.sid
    db.session.add(notification)


def list_due_clients() -> list[str]:
    """Return the ids of the clients that have due notifications; takes no lock."""
    due = select(LogoutNotification.client_id).where(*_is_due(clock.now())).distinct()
    return list(db.session.scalars(due))


def lease_notifications(client_id: str, limit: int) -> list[Lease]:
    """Lease due notifications of a client in the current transaction."""
    now = clock.now()
    due = select(LogoutNotification, OAuthClient).join(OAuthClient)
    due = due.where(LogoutNotification.client_id == client_id, *_is_due(now))
    due = due.order_by(*ORDER).limit(limit)
    found = db.session.execute(due.with_for_update(of=LogoutNotification, skip_locked=True)).all()
    for row in found:
        row.LogoutNotification.leased_until = now + LEASE
        row.LogoutNotification.attempts += 1
    return [Lease(row.LogoutNotification, row.OAuthClient, now + LEASE) for row in found]


def mark_delivered(lease: Lease, status: int) -> bool:
    """Mark a notification as delivered; return whether the lease was still valid."""
    values = {"state": DELIVERED, "last_status": status, "last_error": None}
    return _finish_lease(lease, DELIVERED, **values)


def mark_failed(lease: Lease, failure: LogoutFailed) -> bool:
    """Schedule the next attempt, or abandon the notification after the last one.

    Returns whether the lease was still valid.
    """
    values = {"last_status": failure.status, "last_error": failure.reason[:200]}
    if not failure.is_final and lease.row.attempts <= len(RETRY_DELAYS):
        following = clock.now() + retry_delay(lease.row.attempts)
        return _finish_lease(lease, FAILED, next_attempt_at=following, **values)
    was_leased = _finish_lease(lease, ABANDONED, state=ABANDONED, **values)
    if was_leased:
        reason, user_id = failure.reason[:200], lease.row.user_id
        client_id = lease.client.id
        record(OAuth.LOGOUT_ABANDONED, DELIVERY, user_id=user_id, client=client_id, reason=reason)
    return was_leased


def release_leases(leases: Sequence[Lease]) -> None:
    """Release notifications that were not tried; the attempt is not counted."""
    for lease in leases:
        _update_if_leased(lease, attempts=lease.row.attempts - 1)


def retry_delay(attempts: int) -> timedelta:
    """Return the delay after so many attempts, with jitter."""
    delay = RETRY_DELAYS[min(attempts, len(RETRY_DELAYS)) - 1]
    return delay * (1 - crypto.random_fraction() / 10)


def purge_notifications() -> bool:
    """Delete a batch of finished notifications that are older than the retention.

    Returns:
        Whether there may be more.
    """
    is_old = LogoutNotification.created_at < clock.now() - RETENTION
    finished = select(LogoutNotification.id).where(LogoutNotification.state != PENDING, is_old)
    ids = db.session.scalars(finished.limit(BATCH_SIZE)).all()
    rows = delete(LogoutNotification).where(LogoutNotification.id.in_(ids))
    db.session.execute(rows, execution_options=UNSYNCHRONIZED)
    return len(ids) == BATCH_SIZE


def forget_user(event: UserErased[RequestContext]) -> None:
    """Delete the notifications of a user whose data is erased, sent or not."""
    own = delete(LogoutNotification).where(LogoutNotification.user_id == event.user_id)
    db.session.execute(own, execution_options=UNSYNCHRONIZED)


def update_metrics() -> None:
    """Set the gauges of logout notifications."""
    waiting = select(func.count(), func.min(LogoutNotification.created_at))
    waiting = waiting.where(LogoutNotification.state == PENDING)
    count, oldest = db.session.execute(waiting).one()
    metrics.LOGOUTS_WAITING.set(count)
    metrics.OLDEST_LOGOUT_AGE.set((clock.now() - oldest).total_seconds() if oldest else 0)


def _is_due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    is_due = QUEUE.is_due(now, RETRY_DELAYS[-1])
    is_unleased = QUEUE.is_unleased(now, LEASE)
    return LogoutNotification.state == PENDING, is_due, is_unleased


def _finish_lease(lease: Lease, outcome: str, **values: object) -> bool:
    was_leased = _update_if_leased(lease, last_attempt_at=clock.now(), **values)
    if was_leased:
        metrics.LOGOUTS.labels(outcome).inc()
    return was_leased


def _update_if_leased(lease: Lease, **values: object) -> bool:
    row_id, until = lease.row.id, lease.leased_until
    is_pending = LogoutNotification.state == PENDING
    return QUEUE.update_if_leased(row_id, until, is_pending, **values)
