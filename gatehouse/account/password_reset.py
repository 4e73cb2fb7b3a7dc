"""Password reset with a code and a link by e-mail, or a code by SMS."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from gatehouse.account.access_revocation import revoke_all_access, take_ownership
from gatehouse.account.errors import PasswordResetFailed
from gatehouse.account.forms import PasswordResetForm
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto_labels, i18n
from gatehouse.core.errors import ServiceBusy, ValidationFailed
from gatehouse.core.events import PasswordChanged, publish
from gatehouse.database.session import advisory_lock, end_transaction, write_transaction
from gatehouse.one_time_codes import redeeming, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.channel import EMAIL, Recipient
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.sending import CodeRequest
from gatehouse.passwords import service as passwords
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.users.counted_attempts import count_code_attempt
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, User

RESET_CODE = CodeType(
    crypto_labels.PASSWORD_RESET,
    template="password_reset",
    short_template="sms_reset",
    lifetime_of=lambda settings: settings.password_reset_lifetime,
    error=PasswordResetFailed,
    page="reset-password",
    replaces_older=True,
)


@dataclass(frozen=True)
class PendingPasswordReset:
    """A requested password reset, as the page of its link shows it."""

    requested_at: datetime


def request_reset(recipient: Recipient, context: RequestContext) -> None:
    """Send a code, and a link by e-mail, to reset the password.

    A new code voids older ones. Only verified numbers get one, and no disabled user does.
    """
    with write_transaction():
        user, recipient = users.find_by_recipient(recipient)
        user_id = user.id if user else None
        subject = str(user_id or recipient.canonical)
        request = CodeRequest(RESET_CODE, subject, recipient, user_id)
        is_disabled = user is not None and user.disabled_at is not None
        sent = sending.send_code(replace(request, is_eligible=not is_disabled), context)
        if user_id is None:
            record(events.PasswordReset.UNKNOWN_ACCOUNT, context)
        elif not sent.is_enqueued:
            record(events.PasswordReset.SUPPRESSED, context, user_id=user_id)
        else:
            channel = recipient.channel
            record(events.PasswordReset.REQUESTED, context, user_id=user_id, channel=channel)


def reset_password(form: PasswordResetForm, context: RequestContext) -> None:
    """Set a new password with a link's token, or with a code and its recipient.

    All sessions end and all devices are forgotten; second factors stay. No session is opened.

    Raises:
        PasswordResetFailed: the token or the code is wrong, has expired, or was used before.
        TooManyAttempts: too many codes were wrong; this one was not evaluated.
        ValidationFailed: the password breaks the password policy, or is the one that the account
            has; token and code stay valid.
    """
    row = _verify_code(form, context) if form.code else redeeming.find_link(RESET_CODE, form.token)
    user = users.get_user(row.user_id) if row.user_id else None
    if user is None:
        raise PasswordResetFailed
    try:
        password_hash = _hash_new_password(user, form.password, context)
    except (ValidationFailed, ServiceBusy):
        if form.code:
            one_time_codes.refund_attempt(row.id)
        if one_time_codes.find_by_id(RESET_CODE.purpose, row.id) is None:  # used meanwhile
            raise PasswordResetFailed(user_id=user.id) from None
        raise
    with write_transaction():
        _replace_password(row, user.id, password_hash, context)


def _hash_new_password(
    user: User, password: str, context: RequestContext
) -> passwords.PasswordHash:
    """Check a password against the policy and the user's current one, and hash it.

    Raises:
        ValidationFailed: it breaks the policy, or is the current one.
        ServiceBusy: too many requests wait for a hash.
    """
    translate = i18n.choose_language(user.locale, context.accept_language).gettext
    personal = [user.email, user.username, user.name]
    passwords.require_acceptable_password(password, personal, translate=translate)
    stored = passwords.get(user.id)
    end_transaction()
    passwords.require_new_password(stored, password, context, translate)
    return passwords.hash_password(password, context)


def find_pending(code_id: UUID) -> PendingPasswordReset | None:
    """Return the requested reset of a link, if the link still works."""
    row = one_time_codes.find_by_id(RESET_CODE.purpose, code_id)
    return PendingPasswordReset(row.created_at) if row and row.user_id else None


def _verify_code(form: PasswordResetForm, context: RequestContext) -> OneTimeCode:
    if form.recipient is None:
        raise PasswordResetFailed
    user, recipient = users.find_by_recipient(form.recipient)
    account = user.id if user else recipient.canonical
    with count_code_attempt(RESET_CODE, account, context):
        return redeeming.verify_code(RESET_CODE, str(account), form.code)


def _replace_password(
    row: OneTimeCode, user_id: UUID, password_hash: passwords.PasswordHash, context: RequestContext
) -> None:
    context = context.authenticated_as(user_id)
    advisory_lock(users.lock_key(user_id))
    redeeming.consume(RESET_CODE, row)
    user = users.get_user(user_id)
    if user is None:
        raise PasswordResetFailed
    channel = redeeming.channel_of(row)
    if channel.identifier == EMAIL and user.email_verified_at is None:
        take_ownership(user, context)  # reading the e-mail verified the address
    passwords.store_password_hash(user_id, replace(password_hash, set_via=channel.amr))
    revoke_all_access(user_id, "password_reset", context)
    notifications.notify(user, "notice_password_reset", {}, context)
    record(events.PasswordReset.COMPLETED, context, user_id=user_id)
    publish(PasswordChanged(user_id, context, "reset"))
