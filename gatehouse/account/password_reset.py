"""A forgotten password: a code and a link by mail, or a code by SMS, and a new password.

Known and unknown addresses get the same answer after the same work: for nobody, a challenge is
written that no message tells of.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gatehouse.account.access_revocation import claim, put_everybody_out
from gatehouse.account.errors import RecoveryFailed
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import i18n
from gatehouse.core.errors import ServiceBusy, ValidationFailed
from gatehouse.database.session import release, take_turns, writing
from gatehouse.messaging import outbox, recipient_limits, sms, sms_budget
from gatehouse.messaging.message import Letter
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.users import code_attempts, mail_variables, notifications
from gatehouse.users import service as users
from gatehouse.web.request_context import Visitor
from models import Challenge, User

PURPOSE = "reset"
LIFETIME = timedelta(hours=1)  # of a mail: NIST SP 800-63B-4 section 4.2.1.2 allows a day


@dataclass(frozen=True)
class PendingReset:
    """What the page of the link tells about the reset."""

    email: str
    asked_at: datetime


def ask(form: dict[str, Any], visitor: Visitor) -> None:
    """Send what a new password can be chosen with; `form` has `email` (Email) or `phone`.

    A newer code voids the older ones. A number gets one only if its owner has proved it.
    """
    with writing():
        user = owner(form)
        take_turns(turn(form, user))
        letter = _letter(form, user)
        left = recipient_limits.left(
            letter.recipient, letter.template
        )  # counted for nobody as well
        if user is None:
            record(events.Recovery.UNKNOWN, visitor)
        elif not left:
            record(events.Recovery.WITHHELD, visitor, user_id=user.id)
        else:
            _send(user, letter, visitor)
            return
        _pretend(named(form), letter, visitor)


def reset(form: dict[str, Any], visitor: Visitor) -> None:
    """Choose a new password; `form` has `token`, or `email` or `phone` with `code`.

    Every session ends and every device is forgotten; second factors stay. Nobody is signed in.

    Raises:
        RecoveryFailed: the token or the code is wrong, has expired, or was used before.
        TooManyAttempts: too many codes were wrong; this one was not evaluated.
        ValidationFailed: the password is not good enough; token and code stay good.
    """
    row = (
        _by_code(form, visitor)
        if "code" in form
        else one_time_codes.by_token(PURPOSE, form["token"])
    )
    user = users.get(row.user_id) if row and row.user_id else None
    if row is None or user is None:
        raise RecoveryFailed
    try:
        say = i18n.choose(user.locale, visitor.languages).say
        personal = [user.email, user.username, user.name]
        passwords.require_good(form["password"], personal, say=say)
        release()
        hashed = passwords.hash_new(form["password"], visitor)
    except (ValidationFailed, ServiceBusy):
        if "code" in form:
            one_time_codes.give_back(row.id)
        raise
    _replace(row, hashed, visitor)


def describe(challenge_id: UUID) -> PendingReset | None:
    """Return whose password a link replaces, if it still can."""
    row = one_time_codes.by_id(PURPOSE, challenge_id)
    user = users.get(row.user_id) if row and row.user_id else None
    return PendingReset(user.email, row.created_at) if row and user else None


def owner(form: dict[str, Any]) -> User | None:
    """Return who has the address, or has proved the number."""
    if "phone" in form:
        return users.by_proven_phone(form["phone"])
    return users.by_email(form["email"].canonical)


def named(form: dict[str, Any]) -> str:
    """Return the canonical form of the address or number."""
    return str(form["phone"] if "phone" in form else form["email"].canonical)


def turn(form: dict[str, Any], user: User | None) -> str:
    """Return the key of `take_turns` for whoever asks, known or not."""
    return users.turn(user.id) if user else f"nobody:{named(form)}"


def _letter(form: dict[str, Any], user: User | None) -> Letter:
    """Return the letter, still without its variables.

    It goes to the address as its owner wrote it, not as somebody else did.
    """
    locale = user.locale if user else None
    if "phone" in form:
        return Letter(form["phone"], "sms_reset", {}, locale, "sms")
    return Letter(user.email if user else form["email"].address, "password_reset", {}, locale)


def _send(user: User, letter: Letter, visitor: Visitor) -> None:
    one_time_codes.forget_of(user.id, PURPOSE)
    data = {"user_id": str(user.id), "by": letter.channel}
    put = sms.text if letter.channel == "sms" else outbox.put
    put(_filled(letter, str(user.id), data), visitor)
    record(events.Recovery.REQUESTED, visitor, user_id=user.id, by=letter.channel)


def _pretend(named: str, letter: Letter, visitor: Visitor) -> None:
    """Do for nobody what is done for somebody; no message tells the code."""
    one_time_codes.forget(PURPOSE, named)
    waste = sms.waste if letter.channel == "sms" else outbox.waste
    waste(_filled(letter, named, {"by": letter.channel}), visitor)


def _filled(letter: Letter, about: str, data: dict[str, Any]) -> Letter:
    """Write the challenge; return the letter with its code and, in a mail, its link."""
    if letter.channel == "sms":
        secrets = one_time_codes.create_texted(PURPOSE, about, data)
        return replace(letter, variables={"code": secrets.code})
    secrets = one_time_codes.create(PURPOSE, about, data, LIFETIME)
    return replace(letter, variables=mail_variables.proof("reset-password", secrets, LIFETIME))


def _by_code(form: dict[str, Any], visitor: Visitor) -> Challenge:
    user = owner(form)
    whom = user.id if user else named(form)
    with code_attempts.counted(whom, visitor, RecoveryFailed):
        return one_time_codes.guess_code(PURPOSE, str(whom), form["code"])


def _replace(row: Challenge, hashed: passwords.Hashed, visitor: Visitor) -> None:
    data = one_time_codes.open_data(row)
    user_id = UUID(data["user_id"])
    try:
        with writing():
            take_turns(users.turn(user_id))
            one_time_codes.consume(row.id)
            user = users.get(user_id)
            if user is None:
                raise RecoveryFailed
            if data["by"] == "email" and user.email_verified_at is None:
                claim(user, visitor)  # who reads its mail has the address
            if data["by"] == "sms" and user.phone:
                sms_budget.proved(user.phone)
            passwords.store(user_id, replace(hashed, chosen_by=data["by"]))
            put_everybody_out(user_id, "password_reset", visitor)
            notifications.tell(user, "notice_password_reset", {}, visitor)
            record(events.Recovery.COMPLETED, visitor, user_id=user_id)
    except one_time_codes.InvalidCode:
        raise RecoveryFailed(user_id=user_id) from None
