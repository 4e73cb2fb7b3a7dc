"""The phone number of an account: verified with a code by SMS, or removed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.account import password_reset
from gatehouse.account.errors import PhoneTaken, PhoneVerificationFailed
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto_labels
from gatehouse.core.events import UserChanged, publish
from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.one_time_codes import redeeming, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.sending import CodeRequest
from gatehouse.one_time_codes.stored_data import CodeData
from gatehouse.tokens.service import AccessToken
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.users.counted_attempts import count_code_attempt
from gatehouse.users.errors import AccountDeleted
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, User

PHONE_CODE = CodeType(
    crypto_labels.PHONE_VERIFICATION,
    template="",
    short_template="sms_phone",
    lifetime_of=lambda settings: settings.short_code_lifetime,
    error=PhoneVerificationFailed,
    replaces_older=True,
)
CHANGE_SUMMARY = "the phone number of your account was changed"


@dataclass(frozen=True, kw_only=True)
class PhoneCodeData(CodeData):
    """What is stored with a code that verifies a number."""

    phone: str


def send_code(caller: AccessToken, number: str, context: RequestContext) -> None:
    """Send a code to a phone number by SMS, unless another user has verified the number.

    A new code voids older ones, unless the number's hourly limit is reached.

    Raises:
        AccountDeleted: the account was deleted, but its tokens have not expired.
    """
    with write_transaction():
        user = users.get_user(UUID(caller.sub))
        if user is None:
            raise AccountDeleted
        existing = users.find_by_verified_phone(number)
        is_free = existing is None or existing.id == user.id
        recipient = Recipient("sms", number, number, user.locale)
        data = PhoneCodeData(phone=number)
        sending.send_code(
            CodeRequest(PHONE_CODE, str(user.id), recipient, user.id, data, is_free), context
        )
        group = events.Identifier
        event = group.PHONE_VERIFICATION_REQUESTED if is_free else group.PHONE_TAKEN
        record(event, context, user_id=user.id)


def verify_phone(caller: AccessToken, number: str, code: str, context: RequestContext) -> None:
    """Set the caller's phone number with the code that was sent to it by SMS.

    Raises:
        PhoneVerificationFailed: the code is wrong, has expired, was used before, or was sent to
            another number.
        PhoneTaken: another user verified the number in the meantime.
        TooManyAttempts: too many codes were wrong; this one was not evaluated.
    """
    user_id = UUID(caller.sub)
    with count_code_attempt(PHONE_CODE, user_id, context):
        row = redeeming.verify_code(PHONE_CODE, str(user_id), code)
        if one_time_codes.load_data(row, PhoneCodeData).phone != number:
            raise PhoneVerificationFailed
    try:
        with write_transaction():
            _change_phone(row, caller, number, context)
    except IntegrityError:
        raise PhoneTaken(user_id=user_id) from None


def remove_phone(caller: AccessToken, context: RequestContext) -> None:
    """Remove the caller's phone number.

    Raises:
        AccountDeleted: the account was deleted, but its tokens have not expired.
    """
    with write_transaction():
        user = _lock_user(caller)
        set_phone(user, None, None, context)
        record(events.Identifier.PHONE_REMOVED, context, user_id=user.id)
        publish(UserChanged(user.id, context, ("phone",)))


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
    redeeming.consume(PHONE_CODE, row)
    set_phone(user, number, clock.now(), context)
    record(events.Identifier.PHONE_VERIFIED, context, user_id=user.id)
    publish(UserChanged(user.id, context, ("phone",)))


def set_phone(
    user: User, number: str | None, verified_at: datetime | None, context: RequestContext
) -> None:
    """Set the number, notify the old one if it was verified, and void the codes sent to it.

    Needs the user's advisory lock, in a write transaction.

    Raises:
        IntegrityError: another user has verified the number.
    """
    if number != user.phone:
        notifications.notify_by_sms(user, CHANGE_SUMMARY, context)
    user.phone, user.phone_verified_at = number, verified_at
    db.session.flush()
    one_time_codes.delete_for_user(user.id, PHONE_CODE.purpose, password_reset.RESET_CODE.purpose)
    notifications.notify(user, "notice_phone_changed", {"number": number or "-"}, context)
