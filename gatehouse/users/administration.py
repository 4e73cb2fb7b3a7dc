"""Administration of users: disable, enable, delete, restore, erase, and verify an address.

Every change locks the user, checks that the actor may act on them, and that the user is still what
the administrator saw (`If-Match`). A deleted user is a disabled one whose row is erased later: no
way in needs to know the difference.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

import config
from gatehouse.audit import erasure
from gatehouse.audit.administration_events import Administration
from gatehouse.audit.event import Event
from gatehouse.audit.service import record
from gatehouse.authorization import delegation
from gatehouse.core import clock
from gatehouse.core import events as domain_events
from gatehouse.core.errors import NotFound, PreconditionFailed
from gatehouse.core.events import UserChanged, UserDisabled, UserEnabled, UserRestored, publish
from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.messaging import outbox
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.users import managed_users, notifications
from gatehouse.users import service as users
from gatehouse.users.errors import UserDeleted, UserErased, UserNotDeleted
from gatehouse.web.etags import compute_etag
from gatehouse.web.request_context import BACKGROUND, RequestContext
from models import User

DISABLED, DELETED = "user_disabled", "user_deleted"
"""Why sessions ended."""
BATCH_SIZE = 100
"""Users that a scheduled job changes in one transaction."""


@dataclass(frozen=True)
class UserChange:
    """A change of a user by an administrator, or by an operator at the command line."""

    user_id: UUID
    context: RequestContext
    expected_etags: frozenset[str] | None = None
    """The versions that the administrator saw; None if the change applies to any version."""
    reason: str | None = None


@contextmanager
def changing_user(change: UserChange) -> Iterator[User]:
    """Lock a user for a change, in the request's write transaction.

    Raises:
        NotFound: there is no such user.
        TargetHasMorePermissions: the user has a permission that the actor does not have.
        PreconditionFailed: the user has changed since the administrator read it.
        UserDeleted: the user is deleted.
    """
    with locking_user(change) as user:
        if user.deleted_at:
            raise UserDeleted
        yield user


@contextmanager
def locking_user(change: UserChange) -> Iterator[User]:
    """Lock a user like `changing_user`, even a deleted one."""
    with write_transaction():
        delegation.lock_administration()
        advisory_lock(users.lock_key(change.user_id))
        user = db.session.get(User, change.user_id, populate_existing=True)
        if user is None:
            raise NotFound
        delegation.require_may_act_on(change.context.actor, user.id)
        _require_unchanged(change)
        yield user


def _require_unchanged(change: UserChange) -> None:
    if change.expected_etags is None:
        return
    current = managed_users.get_managed_user(change.user_id)
    if compute_etag(current) not in change.expected_etags:
        raise PreconditionFailed


def disable_user(change: UserChange, until: datetime | None = None) -> None:
    """Disable a user, for ever or until a time; sessions, codes and links end at once."""
    with changing_user(change) as user:
        user.disabled_at = user.disabled_at or clock.now()
        user.disabled_until, user.disabled_reason = until, change.reason
        ends = until.isoformat() if until else None
        record_change(Administration.DISABLED, change, until=ends)
        publish(UserDisabled(user.id, DISABLED, change.context))


def enable_user(change: UserChange) -> None:
    """Enable a disabled user; an enabled one stays as it is."""
    with changing_user(change) as user:
        if user.disabled_at:
            _enable(user)
            record_change(Administration.ENABLED, change)
            publish(UserEnabled(user.id, change.context))


def delete_user(change: UserChange) -> None:
    """Delete a user: disabled at once, and erased after the grace period.

    Until then the user can be restored, and the identifiers stay reserved.
    """
    with changing_user(change) as user:
        user.deleted_at = clock.now()
        user.disabled_at = user.disabled_at or user.deleted_at
        user.erased_after = user.deleted_at + config.settings().deletion_grace_period
        record_change(Administration.DELETED, change, erased_after=user.erased_after.isoformat())
        publish(UserDisabled(user.id, DELETED, change.context, is_deleted=True))
        publish(domain_events.UserDeleted(user.id, change.context, user.erased_after))


def restore_user(change: UserChange) -> None:
    """Restore a deleted user, who stays disabled if they were disabled before.

    Raises:
        UserNotDeleted: the user is not deleted.
        UserErased: the grace period is over, and some data may be erased already.
    """
    with locking_user(change) as user:
        if user.deleted_at is None:
            raise UserNotDeleted
        if user.erased_after and user.erased_after <= clock.now():
            raise UserErased
        if user.disabled_at == user.deleted_at:
            _enable(user)
        user.deleted_at = user.erased_after = None
        record_change(Administration.RESTORED, change)
        publish(UserRestored(user.id, change.context))


def verify_email(change: UserChange) -> None:
    """Declare the user's e-mail address to be verified, because the administrator knows it."""
    with changing_user(change) as user:
        if user.email_verified_at is None:
            user.email_verified_at = clock.now()
            record_change(Administration.EMAIL_VERIFIED, change)
            publish(UserChanged(user.id, change.context, ("email_verified",)))


def enable_if_over(user: User) -> None:
    """Enable a locked user whose time of being disabled is over, in the current transaction."""
    is_over = user.disabled_until is not None and user.disabled_until <= clock.now()
    if is_over and user.deleted_at is None:
        _enable(user)
        record(Administration.ENABLED, BACKGROUND, user_id=user.id)
        publish(UserEnabled(user.id, BACKGROUND))


def enable_due() -> None:
    """Enable the users whose time of being disabled is over, in the current transaction."""
    delegation.lock_administration()
    due = select(User.id).where(User.disabled_at.is_not(None), User.disabled_until <= clock.now())
    due = due.where(User.deleted_at.is_(None))
    for user_id in db.session.scalars(due.order_by(User.id).limit(BATCH_SIZE)).all():
        enable_if_over(_lock(user_id))


def erase_due() -> None:
    """Erase the users whose grace period is over, each in transactions of its own."""
    due = select(User.id).where(User.deleted_at.is_not(None), User.erased_after <= clock.now())
    for user_id in db.session.scalars(due.order_by(User.id).limit(BATCH_SIZE)).all():
        erasure.erase_personal_data(user_id)
        with write_transaction():
            delegation.lock_administration()
            _erase(user_id)
        db.session.commit()


def _erase(user_id: UUID) -> None:
    """Delete the row of a user with all that refers to it, and messages to their addresses."""
    advisory_lock(users.lock_key(user_id))
    user = db.session.get(User, user_id, populate_existing=True)
    if user and user.erased_after and user.erased_after <= clock.now():
        outbox.delete_messages_to(*notifications.list_recipients(user))
        one_time_codes.delete_for_user(user_id)
        db.session.delete(user)
        record(Administration.ERASED, BACKGROUND, user_id=user_id)
        publish(domain_events.UserErased(user_id, BACKGROUND))


def _lock(user_id: UUID) -> User:
    advisory_lock(users.lock_key(user_id))
    return db.session.get_one(User, user_id, populate_existing=True)


def _enable(user: User) -> None:
    user.disabled_at = user.disabled_until = user.disabled_reason = None


def record_change(event: Event, change: UserChange, **details: Any) -> None:
    """Record what was changed, with the reason that the administrator gave."""
    record(event, change.context, user_id=change.user_id, reason=change.reason, **details)
