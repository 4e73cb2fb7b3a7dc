"""A phone number of an account: proved by a code that is texted there, or taken away."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.account import password_reset
from gatehouse.account.errors import PhoneProofFailed
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.database.session import db, take_turns, writing
from gatehouse.messaging import recipient_limits, sms, sms_budget
from gatehouse.messaging.message import Letter
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.tokens.service import AccessToken
from gatehouse.users import code_attempts, notifications
from gatehouse.users import service as users
from gatehouse.users.errors import AccountGone
from gatehouse.web.request_context import Visitor
from models import Challenge, User

PURPOSE = "phone"
TEMPLATE = "sms_phone"
CHANGED = "the phone number of your account was changed"


def ask(caller: AccessToken, number: str, visitor: Visitor) -> None:
    """Text a code to a number; a number that somebody else has proved gets none.

    A newer code voids the older ones, unless the number got enough of them this hour.

    Raises:
        AccountGone: the account was deleted while its tokens lived.
    """
    with writing():
        user = _user(caller)
        holder = users.by_proven_phone(number)
        free = holder is None or holder.id == user.id
        left = recipient_limits.left(number, TEMPLATE)
        if left or not free:
            one_time_codes.forget_of(user.id, PURPOSE)
        data = {"user_id": str(user.id), "phone": number}
        secrets = one_time_codes.create_texted(PURPOSE, str(user.id), data)
        letter = Letter(number, TEMPLATE, {"code": secrets.code}, user.locale, "sms")
        (sms.text if free and left else sms.waste)(letter, visitor)
        event = events.Address.PHONE_ASKED if free else events.Address.PHONE_TAKEN
        record(event, visitor, user_id=user.id)


def prove(caller: AccessToken, number: str, code: str, visitor: Visitor) -> None:
    """Make a number the account's with the code that was texted to it.

    Raises:
        PhoneProofFailed: the code is wrong, has expired, was used, or is another number's.
        TooManyAttempts: too many codes were wrong; this one was not evaluated.
    """
    user_id = UUID(caller.sub)
    with code_attempts.counted(user_id, visitor, PhoneProofFailed):
        row = one_time_codes.guess_code(PURPOSE, str(user_id), code)
        if one_time_codes.open_data(row)["phone"] != number:
            raise one_time_codes.InvalidCode
    try:
        with writing():
            _change(row, caller, number, visitor)
    except (IntegrityError, one_time_codes.InvalidCode):
        raise PhoneProofFailed(user_id=user_id) from None


def remove(caller: AccessToken, visitor: Visitor) -> None:
    """Take the number away from the account.

    Raises:
        AccountGone: the account was deleted while its tokens lived.
    """
    with writing():
        user = _user(caller)
        _set(user, None, visitor)
        record(events.Address.PHONE_REMOVED, visitor, user_id=user.id)


def _user(caller: AccessToken) -> User:
    """Return the account, whose addresses nobody else changes until the transaction ends."""
    user_id = UUID(caller.sub)
    take_turns(users.turn(user_id))
    user = users.get(user_id)
    if user is None:
        raise AccountGone
    return user


def _change(row: Challenge, caller: AccessToken, number: str, visitor: Visitor) -> None:
    user = _user(caller)
    one_time_codes.consume(row.id)
    sms_budget.proved(number)
    _set(user, number, visitor)
    record(events.Address.PHONE_PROVED, visitor, user_id=user.id)


def _set(user: User, number: str | None, visitor: Visitor) -> None:
    """Change the number; the old one is told if it was proved, and what was texted there is void.

    Raises:
        IntegrityError: somebody else has proved it.
    """
    if number != user.phone:
        notifications.text(user, CHANGED, visitor)
    user.phone, user.phone_verified_at = number, clock.now() if number else None
    db.session.flush()
    one_time_codes.forget_of(user.id, PURPOSE, password_reset.PURPOSE)
    notifications.tell(user, "notice_phone_changed", {"number": number or "-"}, visitor)
