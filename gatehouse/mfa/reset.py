"""MFA reset: remove all second factors of a user who lost them, after notice and a delay.

An operator schedules it, or the user with two recovery methods (`account.mfa_recovery`). Either
could be an attacker, or deceived by one, so every address of the user is notified, and the user has
a day to cancel (NIST SP 800-63B-4 sections 4.2.3 and 4.6).
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.authorization import delegation
from gatehouse.core import clock
from gatehouse.core.events import CredentialChanged, publish
from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.mfa import challenges, credential_store, registry
from gatehouse.mfa.errors import NoSecondFactor, ResetNotPending, ResetScheduled
from gatehouse.one_time_codes import redeeming, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.stored_data import STORED_AS, StoredData, stored_as
from gatehouse.passwords import service as passwords
from gatehouse.users import administration, notifications
from gatehouse.users import service as users
from gatehouse.users.administration import UserChange
from gatehouse.web.request_context import BACKGROUND, USER, Actor, RequestContext
from models import OneTimeCode, User

PURPOSE = notifications.MFA_RESET
CANCEL_LINK = CodeType(
    PURPOSE,
    template="notice_mfa_reset",
    lifetime_of=lambda _: timedelta(0),  # the delay in force, and EXECUTION_WINDOW
    error=ResetNotPending,
    page="cancel-mfa-reset",
)
NO_DELAY = timedelta()
EXECUTION_WINDOW = timedelta(days=7)
"""How long after its due time a reset is still executed, if the service was down."""


@dataclass(frozen=True, kw_only=True)
class ResetConditions(StoredData):
    """What must still hold when a reset that the user scheduled is due."""

    email: str = stored_as("address", "")
    """The canonical e-mail address."""
    password: str | None = None
    """When the password that confirmed it was set; None if it was a recovery code."""


@dataclass(frozen=True, kw_only=True)
class ResetData(StoredData):
    """What is stored with a scheduled reset."""

    user_id: str
    due_at: str
    stored_conditions: dict[str, str] | None = field(default=None, metadata={STORED_AS: "claim"})
    """The `ResetConditions` as JSON; None if an operator scheduled it."""
    administrator_id: str | None = None
    """The user who scheduled it as an administrator, and must still be allowed to."""

    @property
    def conditions(self) -> ResetConditions | None:
        """What must still hold."""
        return ResetConditions.from_json(self.stored_conditions) if self.stored_conditions else None


@dataclass(frozen=True)
class ResetRequest:
    """On what terms a reset is scheduled."""

    conditions: ResetConditions | None = None
    """What must still hold when it is due; None if an operator schedules it."""
    reason: str | None = None
    """The operator's reason."""
    min_delay: timedelta = NO_DELAY


@dataclass(frozen=True)
class PendingReset:
    """What the page of the cancellation link shows about a reset."""

    service: str
    due_at: datetime


@dataclass(frozen=True)
class ScheduledReset:
    """When a reset was scheduled, and when it is due."""

    scheduled_at: datetime
    due_at: datetime


def schedule_by_operator(change: UserChange) -> datetime:
    """Schedule a reset for an administrator, notify the user, and return when it is due.

    It replaces a reset that the user scheduled, which depends on more conditions.

    Raises:
        NoSecondFactor: the user has none.
        ResetScheduled: an administrator has scheduled one already.
    """
    with administration.changing_user(change) as user:
        if not credential_store.list_confirmed(user.id):
            raise NoSecondFactor
        for row in one_time_codes.list_pending(PURPOSE, str(user.id)):
            if one_time_codes.load_data(row, ResetData).conditions is None:
                raise ResetScheduled(_due_at(row))
        one_time_codes.delete_for_subject(PURPOSE, str(user.id))
        return _schedule(user, ResetRequest(reason=change.reason), change.context)


def schedule_by_owner(
    user: User,
    password_set_at: datetime | None,
    context: RequestContext,
    min_delay: timedelta = NO_DELAY,
) -> datetime:
    """Schedule a reset that the user has confirmed, notify the user, and return when it is due.

    It is aborted if a factor is used or added meanwhile, or the e-mail address or password changes.
    `password_set_at` is when the password that confirmed it was set; None if it was a recovery
    code. A reset that is pending already stays. Needs the account's advisory lock, in a write
    transaction.
    """
    for row in one_time_codes.list_pending(PURPOSE, str(user.id)):
        if _blocking_reason(row, user) is None:
            return _due_at(row)
    one_time_codes.delete_for_subject(PURPOSE, str(user.id))
    set_at = password_set_at.isoformat() if password_set_at else None
    conditions = ResetConditions(email=user.email_canonical, password=set_at)
    request = ResetRequest(conditions, min_delay=min_delay)
    return _schedule(user, request, context.authenticated_as(user.id))


def is_pending(user_id: UUID) -> bool:
    """Return whether a reset is pending; while it is, trusted devices do not skip MFA."""
    return bool(one_time_codes.list_pending(PURPOSE, str(user_id)))


def cancel_by_link(token: str, context: RequestContext) -> None:
    """Cancel a reset with the link from a notification.

    Raises:
        ResetNotPending: the token is wrong, or the reset was already executed or cancelled.
    """
    row = redeeming.find_link(CANCEL_LINK, token)
    if row.user_id is None:
        raise ResetNotPending
    _cancel(row.user_id, [row.id], context.authenticated_as(row.user_id))


def cancel_by_owner(user_id: UUID, context: RequestContext) -> None:
    """Cancel the user's pending reset.

    Raises:
        ResetNotPending: no reset is pending.
    """
    pending = one_time_codes.list_pending(PURPOSE, str(user_id))
    _cancel(user_id, [row.id for row in pending], context)


def find_pending(code_id: UUID) -> PendingReset | None:
    """Return the reset that a link can cancel, if it is still pending."""
    row = one_time_codes.find_by_id(PURPOSE, code_id)
    return PendingReset(config.settings().service_name, _due_at(row)) if row else None


def find_for_user(user_id: UUID) -> ScheduledReset | None:
    """Return the user's reset that is pending and not blocked, if there is one."""
    user = users.get_user(user_id)
    if user is None:
        return None
    for row in one_time_codes.list_pending(PURPOSE, str(user_id)):
        if _blocking_reason(row, user) is None:
            return ScheduledReset(row.created_at, _due_at(row))
    return None


def execute_due() -> None:
    """Execute each reset that is due, in a transaction of its own."""
    unused = select(OneTimeCode).where(
        OneTimeCode.purpose == PURPOSE, OneTimeCode.used_at.is_(None)
    )
    pending = db.session.scalars(unused.order_by(OneTimeCode.id)).all()
    for code_id in [row.id for row in pending if _due_at(row) <= clock.now()]:
        execute(code_id, BACKGROUND)


def execute(code_id: UUID, context: RequestContext) -> bool:
    """Remove all factors of a user, commit, and return whether it was done.

    It is not done if the reset is no longer pending, or is blocked. It also ends all sessions and
    revokes the trust of all devices: the next login has the first factor only.
    """
    try:
        with write_transaction():
            row = one_time_codes.find_by_id(PURPOSE, code_id)
            if row is None:
                raise one_time_codes.InvalidCode
            advisory_lock(users.lock_key(row.user_id or users.UNKNOWN_USER_ID))
            one_time_codes.consume(code_id)
            removed = _remove_all_factors(row, context)
    except one_time_codes.InvalidCode:
        db.session.rollback()
        return False
    db.session.commit()
    return removed


def _schedule(user: User, request: ResetRequest, context: RequestContext) -> datetime:
    """Store a reset and notify the user."""
    conditions = request.conditions
    delay = max(request.min_delay, config.settings().mfa_reset_delay)
    due_at = clock.now() + delay
    is_administrator = conditions is None and context.actor.kind == USER
    data = ResetData(
        user_id=str(user.id),
        administrator_id=str(context.actor.id) if is_administrator else None,
        due_at=due_at.isoformat(),
        stored_conditions=conditions.to_json() if conditions else None,
    )
    link = replace(CANCEL_LINK, lifetime_of=lambda _: delay + EXECUTION_WINDOW)
    url = sending.create_link(link, str(user.id), data)
    notifications.notify(user, "notice_mfa_reset", {"link": url, "when": due_at}, context)
    event = events.Factor.MFA_RECOVERY_CONFIRMED if conditions else events.Factor.RESET_SCHEDULED
    record(event, context, user_id=user.id, due_at=due_at.isoformat(), reason=request.reason)
    return due_at


def _blocking_reason(row: OneTimeCode, user: User) -> str | None:
    """Return why a reset must not run; that of an operator at the command line always may."""
    data = one_time_codes.load_data(row, ResetData)
    conditions, by = data.conditions, data.administrator_id
    if user.disabled_at and (conditions or by == str(user.id)):
        return "the account is disabled, perhaps because of who scheduled it"
    if conditions is None:
        is_allowed = by is None or delegation.may_act_on(Actor(USER, UUID(by)), user.id)
        return None if is_allowed else "the user has more permissions than the administrator"
    if user.email_canonical != conditions.email:
        return "e-mail address changed"
    stored = passwords.get(user.id) if conditions.password else None
    set_at = stored.changed_at.isoformat() if stored and stored.changed_at else None
    if set_at != conditions.password:
        return "password changed"
    strong = (
        factor
        for factor in credential_store.list_confirmed(user.id)
        if registry.is_strong(factor.kind)
    )
    used = (at for factor in strong for at in (factor.confirmed_at, factor.last_used_at))
    return "a factor was used or added" if any(at and at >= row.created_at for at in used) else None


def _remove_all_factors(row: OneTimeCode, context: RequestContext) -> bool:
    """Remove the factors unless the reset is blocked; return whether they were removed."""
    user = users.get_user(row.user_id) if row.user_id else None
    if user is None:
        return False
    user_id = user.id
    if reason := _blocking_reason(row, user):
        record(events.Factor.RESET_ABORTED, context, user_id=user_id, reason=reason)
        return False
    kinds = sorted({row.kind for row in credential_store.list_confirmed(user_id)})
    credential_store.delete_factors(user_id, context)
    one_time_codes.delete_for_user(user_id, challenges.LOGIN)
    publish(CredentialChanged(user_id, "mfa_reset", context))
    record(events.Factor.RESET, context, user_id=user_id, kinds=kinds)
    notifications.notify(user, "notice_factor_removed", {"factor": ", ".join(kinds)}, context)
    return True


def _cancel(user_id: UUID, ids: list[UUID], context: RequestContext) -> None:
    if not ids:
        raise ResetNotPending
    try:
        with write_transaction():
            for code_id in ids:
                one_time_codes.consume(code_id)
            record(events.Factor.RESET_CANCELLED, context, user_id=user_id)
    except one_time_codes.InvalidCode:
        raise ResetNotPending from None


def _due_at(row: OneTimeCode) -> datetime:
    return datetime.fromisoformat(one_time_codes.load_data(row, ResetData).due_at)
