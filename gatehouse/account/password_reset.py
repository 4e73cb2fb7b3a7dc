"""Password reset with a code and a link by e-mail, or a code by SMS.

Unknown users get the same response after the same work: a code is stored, but not sent.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gatehouse.account.access_revocation import revoke_all_access, take_ownership
from gatehouse.account.errors import PasswordResetFailed
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import crypto_labels, i18n
from gatehouse.core.errors import ServiceBusy, ValidationFailed
from gatehouse.database.session import advisory_lock, end_transaction, write_transaction
from gatehouse.messaging import outbox, recipient_limits, sms, sms_budget
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.users import code_attempts, mail_variables, notifications
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, User

PURPOSE = crypto_labels.PASSWORD_RESET
LIFETIME = timedelta(hours=1)  # of an e-mail: NIST SP 800-63B-4 section 4.2.1.2 allows a day


@dataclass(frozen=True)
class PendingPasswordReset:
    """A requested password reset, as the page of its link shows it."""

    email: str
    requested_at: datetime


def request_reset(form: dict[str, Any], context: RequestContext) -> None:
    """Send a code, and a link by e-mail, to reset the password; `form` has `email` or `phone`.

    A new code voids older ones. Only verified numbers get one.
    """
    with write_transaction():
        user = find_user(form)
        advisory_lock(lock_key(form, user))
        message = _build_message(form, user)
        # counted for unknown users as well
        has_quota = recipient_limits.has_quota(message.recipient, message.template)
        if user is None:
            record(events.PasswordReset.UNKNOWN_ACCOUNT, context)
        elif not has_quota:
            record(events.PasswordReset.SUPPRESSED, context, user_id=user.id)
        else:
            _send_code(user, message, context)
            return
        _simulate_sending(canonical_identifier(form), message, context)


def reset_password(form: dict[str, Any], context: RequestContext) -> None:
    """Set a new password; `form` has `token`, or `email` or `phone` with `code`.

    All sessions end and all devices are forgotten; second factors stay. No session is opened.

    Raises:
        PasswordResetFailed: the token or the code is wrong, has expired, or was used before.
        TooManyAttempts: too many codes were wrong; this one was not evaluated.
        ValidationFailed: the password breaks the password policy; token and code stay valid.
    """
    row = (
        _verify_code(form, context)
        if "code" in form
        else one_time_codes.find_by_token(PURPOSE, form["token"])
    )
    user = users.get_user(row.user_id) if row and row.user_id else None
    if row is None or user is None:
        raise PasswordResetFailed
    try:
        translate = i18n.choose_language(user.locale, context.accept_language).gettext
        personal = [user.email, user.username, user.name]
        passwords.require_acceptable_password(form["password"], personal, translate=translate)
        end_transaction()
        password_hash = passwords.hash_password(form["password"], context)
    except (ValidationFailed, ServiceBusy):
        if "code" in form:
            one_time_codes.refund_attempt(row.id)
        raise
    _replace_password(row, password_hash, context)


def find_pending(code_id: UUID) -> PendingPasswordReset | None:
    """Return the requested reset of a link, if the link still works."""
    row = one_time_codes.find_by_id(PURPOSE, code_id)
    user = users.get_user(row.user_id) if row and row.user_id else None
    return PendingPasswordReset(user.email, row.created_at) if row and user else None


def find_user(form: dict[str, Any]) -> User | None:
    """Return the user with this e-mail address, or with this verified number."""
    if "phone" in form:
        return users.find_by_verified_phone(form["phone"])
    return users.find_by_email(form["email"].canonical)


def canonical_identifier(form: dict[str, Any]) -> str:
    """Return the canonical form of the e-mail address or number."""
    return str(form["phone"] if "phone" in form else form["email"].canonical)


def lock_key(form: dict[str, Any], user: User | None) -> str:
    """Return the `advisory_lock` key of a request, for a known or an unknown user."""
    return users.lock_key(user.id) if user else f"nobody:{canonical_identifier(form)}"


def _build_message(form: dict[str, Any], user: User | None) -> MessageRequest:
    """Return the message without its variables; a known user's address is used as they wrote it."""
    locale = user.locale if user else None
    if "phone" in form:
        return MessageRequest(form["phone"], "sms_reset", {}, locale, "sms")
    return MessageRequest(
        user.email if user else form["email"].as_written, "password_reset", {}, locale
    )


def _send_code(user: User, message: MessageRequest, context: RequestContext) -> None:
    one_time_codes.delete_for_user(user.id, PURPOSE)
    data = {"user_id": str(user.id), "by": message.channel}
    enqueue = sms.send if message.channel == "sms" else outbox.put
    enqueue(_create_code(message, str(user.id), data), context)
    record(events.PasswordReset.REQUESTED, context, user_id=user.id, channel=message.channel)


def _simulate_sending(identifier: str, message: MessageRequest, context: RequestContext) -> None:
    """Do the work of `_send_code` for an unknown user or an exhausted quota; nothing is sent."""
    one_time_codes.delete_for_subject(PURPOSE, identifier)
    enqueue = sms.send_decoy if message.channel == "sms" else outbox.enqueue_decoy
    enqueue(_create_code(message, identifier, {"by": message.channel}), context)


def _create_code(message: MessageRequest, subject: str, data: dict[str, Any]) -> MessageRequest:
    """Store the one-time code; return the message with the code and, in an e-mail, the link."""
    if message.channel == "sms":
        secrets = one_time_codes.create_short_code(PURPOSE, subject, data)
        return replace(message, variables={"code": secrets.code})
    secrets = one_time_codes.create(PURPOSE, subject, data, LIFETIME)
    return replace(
        message, variables=mail_variables.build_code_variables("reset-password", secrets, LIFETIME)
    )


def _verify_code(form: dict[str, Any], context: RequestContext) -> OneTimeCode:
    user = find_user(form)
    subject = user.id if user else canonical_identifier(form)
    with code_attempts.counted_attempt(subject, context, PasswordResetFailed):
        return one_time_codes.verify_code(PURPOSE, str(subject), form["code"])


def _replace_password(
    row: OneTimeCode, password_hash: passwords.PasswordHash, context: RequestContext
) -> None:
    data = one_time_codes.decrypt_data(row)
    user_id = UUID(data["user_id"])
    context = context.authenticated_as(user_id)
    try:
        with write_transaction():
            advisory_lock(users.lock_key(user_id))
            one_time_codes.consume(row.id)
            user = users.get_user(user_id)
            if user is None:
                raise PasswordResetFailed
            if data["by"] == "email" and user.email_verified_at is None:
                take_ownership(user, context)  # reading the e-mail verified the address
            if data["by"] == "sms" and user.phone:
                sms_budget.record_conversion(user.phone)
            passwords.store_password_hash(user_id, replace(password_hash, set_via=data["by"]))
            revoke_all_access(user_id, "password_reset", context)
            notifications.notify(user, "notice_password_reset", {}, context)
            record(events.PasswordReset.COMPLETED, context, user_id=user_id)
    except one_time_codes.InvalidCode:
        raise PasswordResetFailed(user_id=user_id) from None
