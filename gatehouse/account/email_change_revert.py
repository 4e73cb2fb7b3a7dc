"""Revert an e-mail change from the previous address, for 72 hours.

An attacker may have made the change: one who knows the password, and has perhaps added a phone
number or a passkey. So the revert removes everything added since the change. Factors stay if the
account had a strong one before: adding more required it, and a mailbox alone must not remove any.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.account import deletion
from gatehouse.account.access_revocation import revoke_all_access
from gatehouse.account.errors import EmailRevertFailed
from gatehouse.account.pending_registration import REGISTRATION_CODE
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.core.events import PasswordChanged, UserChanged, publish
from gatehouse.database.session import advisory_lock, write_transaction
from gatehouse.federation import identities
from gatehouse.messaging import links
from gatehouse.messaging.message import MessageRequest
from gatehouse.mfa import assurance_level, credential_store
from gatehouse.one_time_codes import locks, redeeming, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.stored_data import StoredData, stored_as
from gatehouse.passwords import service as passwords
from gatehouse.sessions import assurance
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import RequestContext
from models import Credential, OneTimeCode, User

TEMPLATE = "notice_email_changed"
REVERT_PERIOD = timedelta(hours=72)
REVERT_LINK = CodeType(
    notifications.EMAIL_CHANGE_REVERT,
    template=TEMPLATE,
    lifetime_of=lambda _: REVERT_PERIOD,
    error=EmailRevertFailed,
    page="undo-email",
)


@dataclass(frozen=True, kw_only=True)
class RevertData(StoredData):
    """What is stored with the link that reverts an e-mail change."""

    user_id: str
    old_email: str = stored_as("old", "")
    new_email: str = stored_as("new", "")
    keeps_factors: bool = False


@dataclass(frozen=True)
class PendingRevert:
    """A change of the e-mail address that can be reverted, as the page of the link shows it."""

    changed_at: datetime


def create_revert_link(user: User, old_email: str, context: RequestContext) -> None:
    """Notify all addresses of an e-mail change; only the previous one gets the revert link."""
    user_id = str(user.id)
    keeps_factors = assurance_level.max_assurance_level(user.id) == assurance.AAL2
    data = RevertData(
        user_id=user_id, old_email=old_email, new_email=user.email, keeps_factors=keeps_factors
    )
    recipients = notifications.list_notified_emails(user)
    revert_url = sending.create_link(REVERT_LINK, user_id, data)
    variables = {"new_address": user.email, "expires": clock.now() + REVERT_LINK.lifetime}
    with_link = MessageRequest("", TEMPLATE, variables | {"link": revert_url}, user.locale)
    notifications.notify_recipient(old_email, with_link, context)
    reset_url = links.page_url("forgot-password")
    without_link = MessageRequest("", TEMPLATE, variables | {"link": reset_url}, user.locale)
    for recipient in recipients:
        if recipient != old_email:
            notifications.notify_recipient(recipient, without_link, context)
    notifications.notify_by_sms(user, notifications.SMS_SUMMARIES[TEMPLATE], context)


def revert_email_change(token: str, context: RequestContext) -> None:
    """Restore the previous e-mail address of an account.

    All access is revoked and the password deleted: the owner sets a new one by password reset. A
    phone number, factors and passkeys that were added since the change are removed.

    Raises:
        EmailRevertFailed: the token is wrong, has expired or was used before, or the previous
            address has an account of its own.
    """
    row = redeeming.find_link(REVERT_LINK, token)
    try:
        with write_transaction():
            _restore_email(row, context)
    except IntegrityError:
        raise EmailRevertFailed(user_id=row.user_id) from None


def find_pending(code_id: UUID) -> PendingRevert | None:
    """Return the change that a link reverts, if the link still works."""
    row = one_time_codes.find_by_id(REVERT_LINK.purpose, code_id)
    return PendingRevert(row.created_at) if row else None


def _restore_email(row: OneTimeCode, context: RequestContext) -> None:
    data = one_time_codes.load_data(row, RevertData)
    old, user_id = Email(data.old_email, data.old_email.lower()), UUID(data.user_id)
    context = context.authenticated_as(user_id)
    advisory_lock(users.lock_key(user_id))
    locks.lock_recipient(old.canonical)
    redeeming.consume(REVERT_LINK, row)
    user = users.get_user(user_id)
    if user is None:
        raise EmailRevertFailed(user_id=user_id)
    attacker_email, attacker_phone = user.email, user.phone
    users.set_verified_email(user, old)
    one_time_codes.delete_for_subject(REGISTRATION_CODE.purpose, old.canonical)
    passwords.delete_password_hash(user_id)
    _remove_later_additions(user, row, context)
    changed = ("email",) if user.phone == attacker_phone else ("email", "phone")
    is_restorable = deletion.is_restorable(user)
    revoke_all_access(user_id, "email_undone", context)
    if is_restorable:  # the attacker's address got the link
        deletion.notify_deletion(user, context)
    notifications.notify(user, "notice_password_reset", {}, context)
    variables = {"link": links.page_url("forgot-password")}
    notification = MessageRequest("", "notice_password_reset", variables, user.locale)
    notifications.notify_recipient(attacker_email, notification, context)
    record(events.Identifier.EMAIL_CHANGE_REVERTED, context, user_id=user_id)
    publish(PasswordChanged(user_id, context, "removed"))
    publish(UserChanged(user_id, context, changed))


def _remove_later_additions(user: User, row: OneTimeCode, context: RequestContext) -> None:
    """Remove later revert links, and a phone number, identities and factors added since the change.

    An attacker could use them to get back in. Factors stay if adding them required a strong one.
    """
    for later in one_time_codes.list_pending(REVERT_LINK.purpose, str(user.id)):
        if later.id > row.id:  # ids are ordered by time
            one_time_codes.consume(later.id)
    if user.phone_verified_at and user.phone_verified_at >= row.created_at:
        user.phone = user.phone_verified_at = None
    identities.delete_for(user.id, since=row.created_at)
    if one_time_codes.load_data(row, RevertData).keeps_factors:
        return
    added = Credential.created_at >= row.created_at
    credential_store.delete_factors(user.id, context, added)
