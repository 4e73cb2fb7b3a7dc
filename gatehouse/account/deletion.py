"""Delete one's own account: disabled at once, erased after the grace period, restorable by mail.

A thief of the session must not be able to destroy the account: every address is
notified, and the verified one gets a link that restores the account until its data is erased.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gatehouse.account.errors import RestorationFailed
from gatehouse.core import crypto_labels
from gatehouse.core.errors import NotFound
from gatehouse.database.session import write_transaction
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes import redeeming, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.stored_data import StoredData
from gatehouse.users import administration, notifications
from gatehouse.users import service as users
from gatehouse.users.administration import UserChange
from gatehouse.users.errors import UserErased, UserNotDeleted
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, User

TEMPLATE = "notice_account_deleted"
RESTORATION_LINK = CodeType(
    crypto_labels.ACCOUNT_RESTORATION,
    template=TEMPLATE,
    lifetime_of=lambda settings: settings.deletion_grace_period,
    error=RestorationFailed,
    page="restore-account",
)


@dataclass(frozen=True, kw_only=True)
class RestorationData(StoredData):
    """What is stored with the link that restores an account."""

    user_id: str


@dataclass(frozen=True)
class PendingErasure:
    """When the data of a deleted account is erased, as the page of the link shows it."""

    erased_after: datetime


def delete_account(user_id: UUID, context: RequestContext) -> None:
    """Delete the account of a user, and send the link that restores it.

    Sessions, codes and links end in the same transaction.

    Raises:
        LastAdministrator: the user is the last administrator.
    """
    with write_transaction():
        administration.delete_user(UserChange(user_id, context))
        user = users.get_user(user_id)
        if user is None:
            raise NotFound
        notify_deletion(user, context)


def restore_account(token: str, context: RequestContext) -> None:
    """Restore a deleted account with the link that was sent to its e-mail address.

    Raises:
        RestorationFailed: the link is wrong or was used before, or the data has been erased.
    """
    row = redeeming.find_link(RESTORATION_LINK, token)
    user_id = UUID(one_time_codes.load_data(row, RestorationData).user_id)
    context = context.authenticated_as(user_id)
    with write_transaction():
        try:
            administration.restore_user(UserChange(user_id, context))
        except (NotFound, UserErased, UserNotDeleted):
            raise RestorationFailed(user_id=user_id) from None
        redeeming.consume(RESTORATION_LINK, row)
        user = users.get_user(user_id)
        if user:
            notifications.notify(user, "notice_account_restored", {}, context)


def find_pending(code_id: UUID) -> PendingErasure | None:
    """Return when the account of a link is erased, if the link still works."""
    row: OneTimeCode | None = one_time_codes.find_by_id(RESTORATION_LINK.purpose, code_id)
    return PendingErasure(row.expires_at) if row else None


def is_restorable(user: User) -> bool:
    """Return whether a user deleted their own account, and a link can restore it."""
    links = one_time_codes.list_pending(RESTORATION_LINK.purpose, str(user.id))
    return user.deleted_at is not None and bool(links)


def notify_deletion(user: User, context: RequestContext) -> None:
    """Notify all addresses of the deletion; only the current one gets the link."""
    data = RestorationData(user_id=str(user.id))
    link = sending.create_link(RESTORATION_LINK, str(user.id), data)
    for recipient in notifications.list_notified_emails(user):
        own_link = link if recipient == user.email else ""
        variables = {"link": own_link, "when": user.erased_after}
        message = MessageRequest("", TEMPLATE, variables, user.locale)
        notifications.notify_recipient(recipient, message, context)
    notifications.notify_by_sms(user, notifications.SMS_SUMMARIES[TEMPLATE], context)
