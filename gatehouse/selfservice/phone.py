"""A phone number of an account: proved by a code that is texted there, or taken away."""

from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gatehouse.accounts import codes, notices
from gatehouse.accounts import service as accounts
from gatehouse.accounts.errors import AccountGone
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.delivery import allowance, spending, texting
from gatehouse.delivery.message import Letter
from gatehouse.foundation import clock
from gatehouse.foundation.database import db, take_turns, writing
from gatehouse.foundation.visitor import Visitor
from gatehouse.selfservice import recovery
from gatehouse.selfservice.errors import PhoneProofFailed
from gatehouse.tokens import challenges
from gatehouse.tokens.service import AccessToken
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
        holder = accounts.by_proven_phone(number)
        free = holder is None or holder.id == user.id
        left = allowance.left(number, TEMPLATE)
        if left or not free:
            challenges.forget_of(user.id, PURPOSE)
        data = {"user_id": str(user.id), "phone": number}
        secrets = challenges.create_texted(PURPOSE, str(user.id), data)
        letter = Letter(number, TEMPLATE, {"code": secrets.code}, user.locale, "sms")
        (texting.text if free and left else texting.waste)(letter, visitor)
        event = events.Address.PHONE_ASKED if free else events.Address.PHONE_TAKEN
        record(event, visitor, user_id=user.id)


def prove(caller: AccessToken, number: str, code: str, visitor: Visitor) -> None:
    """Make a number the account's with the code that was texted to it.

    Raises:
        PhoneProofFailed: the code is wrong, has expired, was used, or is another number's.
        TooManyAttempts: too many codes were wrong; this one was not evaluated.
    """
    user_id = UUID(caller.sub)
    with codes.counted(user_id, visitor, PhoneProofFailed):
        row = challenges.guess_code(PURPOSE, str(user_id), code)
        if challenges.open_data(row)["phone"] != number:
            raise challenges.InvalidCode
    try:
        with writing():
            _change(row, caller, number, visitor)
    except (IntegrityError, challenges.InvalidCode):
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
    take_turns(accounts.turn(user_id))
    user = accounts.get(user_id)
    if user is None:
        raise AccountGone
    return user


def _change(row: Challenge, caller: AccessToken, number: str, visitor: Visitor) -> None:
    user = _user(caller)
    challenges.consume(row.id)
    spending.proved(number)
    _set(user, number, visitor)
    record(events.Address.PHONE_PROVED, visitor, user_id=user.id)


def _set(user: User, number: str | None, visitor: Visitor) -> None:
    """Change the number; the old one is told if it was proved, and what was texted there is void.

    Raises:
        IntegrityError: somebody else has proved it.
    """
    if number != user.phone:
        notices.text(user, CHANGED, visitor)
    user.phone, user.phone_verified_at = number, clock.now() if number else None
    db.session.flush()
    challenges.forget_of(user.id, PURPOSE, recovery.PURPOSE)
    notices.tell(user, "notice_phone_changed", {"number": number or "-"}, visitor)
