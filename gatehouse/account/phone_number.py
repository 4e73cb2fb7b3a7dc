"""The phone number of an account: verified with a code by SMS, or removed."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.account import password_reset
from gatehouse.account.errors import PhoneVerificationFailed
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto_labels
from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.messaging import recipient_limits, sms, sms_budget
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.tokens.service import AccessToken
from gatehouse.users import code_attempts, notifications
from gatehouse.users import service as users
from gatehouse.users.errors import AccountDeleted
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, User

PURPOSE = crypto_labels.PHONE_VERIFICATION
TEMPLATE = "sms_phone"
CHANGE_SUMMARY = "the phone number of your account was changed"


def send_code(caller: AccessToken, number: str, context: RequestContext) -> None:
    """Send a code to a phone number by SMS, unless another user has verified the number.

    A new code voids older ones, unless the number's hourly limit is reached.

    Raises:
        AccountDeleted: the account was deleted, but its tokens have not expired.
    """
    with write_transaction():
        user = _lock_user(caller)
        existing = users.find_by_verified_phone(number)
        is_free = existing is None or existing.id == user.id
        has_quota = recipient_limits.has_quota(number, TEMPLATE)
        if has_quota or not is_free:
            one_time_codes.delete_for_user(user.id, PURPOSE)
        data = {"user_id": str(user.id), "phone": number}
        secrets = one_time_codes.create_short_code(PURPOSE, str(user.id), data)
        message = MessageRequest(number, TEMPLATE, {"code": secrets.code}, user.locale, "sms")
        (sms.send if is_free and has_quota else sms.send_decoy)(message, context)
        event = (
            events.Identifier.PHONE_VERIFICATION_REQUESTED
            if is_free
            else events.Identifier.PHONE_TAKEN
        )
        record(event, context, user_id=user.id)


def verify_phone(caller: AccessToken, number: str, code: str, context: RequestContext) -> None:
    """Set the caller's phone number with the code that was sent to it by SMS.

    Raises:
        PhoneVerificationFailed: the code is wrong, has expired, was used before, or was sent to
            another number; or another user verified the number in the meantime.
        TooManyAttempts: too many codes were wrong; this one was not evaluated.
    """
    user_id = UUID(caller.sub)
    with code_attempts.counted_attempt(user_id, context, PhoneVerificationFailed):
        row = one_time_codes.verify_code(PURPOSE, str(user_id), code)
        if one_time_codes.decrypt_data(row)["phone"] != number:
            raise one_time_codes.InvalidCode
    try:
        with write_transaction():
            _change_phone(row, caller, number, context)
    except (IntegrityError, one_time_codes.InvalidCode):
        raise PhoneVerificationFailed(user_id=user_id) from None


def remove_phone(caller: AccessToken, context: RequestContext) -> None:
    """Remove the caller's phone number.

    Raises:
        AccountDeleted: the account was deleted, but its tokens have not expired.
    """
    with write_transaction():
        user = _lock_user(caller)
        _set_phone(user, None, context)
        record(events.Identifier.PHONE_REMOVED, context, user_id=user.id)


def _lock_user(caller: AccessToken) -> User:
    """Lock the caller's account until the transaction ends, and return the user."""
    user_id = UUID(caller.sub)
    advisory_lock(users.lock_key(user_id))
    user = users.get_user(user_id)
    if user is None:
        raise AccountDeleted
    return user


def _change_phone(
    row: OneTimeCode, caller: AccessToken, number: str, context: RequestContext
) -> None:
    user = _lock_user(caller)
    one_time_codes.consume(row.id)
    sms_budget.record_conversion(number)
    _set_phone(user, number, context)
    record(events.Identifier.PHONE_VERIFIED, context, user_id=user.id)


def _set_phone(user: User, number: str | None, context: RequestContext) -> None:
    """Set the number, notify the old one if it was verified, and void the codes sent to it.

    Raises:
        IntegrityError: another user has verified the number.
    """
    if number != user.phone:
        notifications.notify_by_sms(user, CHANGE_SUMMARY, context)
    user.phone, user.phone_verified_at = number, clock.now() if number else None
    db.session.flush()
    one_time_codes.delete_for_user(user.id, PURPOSE, password_reset.PURPOSE)
    notifications.notify(user, "notice_phone_changed", {"number": number or "-"}, context)
