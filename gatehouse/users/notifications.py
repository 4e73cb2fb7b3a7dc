"""Security notifications to users: what changed in their account, and how to object."""

from typing import Any
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto_labels
from gatehouse.lockout import service as lockout
from gatehouse.lockout.service import CountedAttempt
from gatehouse.messaging import outbox, recipient_limits, sms
from gatehouse.messaging.links import page_url
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext
from models import User

EMAIL_CHANGE_REVERT = crypto_labels.EMAIL_CHANGE_REVERT
"""Purpose of the link that reverts an e-mail change from the previous address."""
MFA_RESET = crypto_labels.MFA_RESET
"""Purpose of the link that cancels an MFA reset."""
SURVIVING_PURPOSES = (EMAIL_CHANGE_REVERT, MFA_RESET)
"""Purposes of links that stay valid after a password reset or a reverted e-mail change."""
SMS_SUMMARIES = {
    "notice_password_reset": "your password was reset",
    "notice_email_changed": "your e-mail address was changed",
    "notice_mfa_reset": "your second factors are about to be removed",
    "notice_account_deleted": "your account was deleted",
}
"""Templates that are also sent as an SMS to the verified number, with the words of the SMS."""


def notify(user: User, template: str, variables: dict[str, Any], context: RequestContext) -> None:
    """Queue a notification for every e-mail address of the user, in the current transaction.

    A previous address is notified, too, while it can revert the e-mail change. The default `link`
    in `variables` is the page for a forgotten password. The limit of `notify_recipient` applies.
    """
    variables = {"link": page_url("forgot-password")} | variables
    for recipient in list_notified_emails(user):
        notify_recipient(recipient, MessageRequest("", template, variables, user.locale), context)
    if summary := SMS_SUMMARIES.get(template):
        notify_by_sms(user, summary, context)


def notify_recipient(recipient: str, message: MessageRequest, context: RequestContext) -> None:
    """Queue a notification for one e-mail address, subject to the hourly limit of its template."""
    addressed = MessageRequest(recipient, message.template, message.variables, message.locale)
    if not recipient_limits.enqueue_limited(addressed, context):
        record(events.Notification.SUPPRESSED, context, template=message.template)


def notify_by_sms(user: User, summary: str, context: RequestContext) -> None:
    """Send a notification by SMS, if the user has a verified number."""
    if user.phone and user.phone_verified_at:
        message = MessageRequest(user.phone, "sms_notice", {"what": summary}, user.locale, "sms")
        sms.send(message, context)


def list_notified_emails(user: User) -> list[str]:
    """Return the user's e-mail address, and previous ones that can still revert a change."""
    revertible = one_time_codes.list_pending(EMAIL_CHANGE_REVERT, str(user.id))
    previous = [one_time_codes.decrypt_data(row)["old"] for row in revertible]
    return list(dict.fromkeys([user.email, *previous]))


def list_recipients(user: User) -> list[str]:
    """Return the addresses and the number that are certainly the user's.

    An unverified number may belong to another user, and a previous address to a new account.
    """
    number = [user.phone] if user.phone and user.phone_verified_at else []
    emails = list_notified_emails(user)
    return [*(email for email in emails if not _has_other_account(email, user)), *number]


def _has_other_account(email: str, user: User) -> bool:
    owner = users.find_by_email(email.lower())
    return owner is not None and owner.id != user.id


def notify_failed_attempts(user_id: UUID, context: RequestContext) -> None:
    """Notify the user of a login after failed attempts, or of a partly failed one (ASVS V6.3.5)."""
    user = users.get_user(user_id)
    if user:
        notify(user, "notice_attempts", {}, context)


def on_failed_attempt(attempt: CountedAttempt, context: RequestContext) -> None:
    """Record a failed attempt; if it locks the account or a network out, notify the user.

    An unknown identifier causes the same work, and no message.
    """
    if not lockout.record_failure(attempt, context):
        return
    user = users.get_user(attempt.user_id or users.UNKNOWN_USER_ID)
    if user:
        notify(user, "notice_lockout", {}, context)
        return
    for recipient in list_notified_emails(
        User(id=users.UNKNOWN_USER_ID, email="nobody@example.com")
    ):
        message = MessageRequest(recipient, "notice_lockout", {"link": page_url("forgot-password")})
        recipient_limits.has_quota(recipient, message.template)
        outbox.enqueue_decoy(message, context)
