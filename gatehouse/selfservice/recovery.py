"""A forgotten password: a code and a link by mail, or a code by SMS, and a new password.

Known and unknown addresses get the same answer after the same work: for nobody, a challenge is
written that no message tells of.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gatehouse.accounts import codes, letters, notices
from gatehouse.accounts import service as accounts
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.delivery import allowance, outbox, spending, texting
from gatehouse.delivery.message import Letter
from gatehouse.foundation import languages
from gatehouse.foundation.database import release, take_turns, writing
from gatehouse.foundation.errors import ServiceBusy, ValidationFailed
from gatehouse.foundation.visitor import Visitor
from gatehouse.passwords import service as passwords
from gatehouse.selfservice.errors import RecoveryFailed
from gatehouse.selfservice.expulsion import claim, put_everybody_out
from gatehouse.tokens import challenges
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
        left = allowance.left(letter.recipient, letter.template)  # counted for nobody as well
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
    row = _by_code(form, visitor) if "code" in form else challenges.by_token(PURPOSE, form["token"])
    user = accounts.get(row.user_id) if row and row.user_id else None
    if row is None or user is None:
        raise RecoveryFailed
    try:
        say = languages.choose(user.locale, visitor.languages).say
        personal = [user.email, user.username, user.name]
        passwords.require_good(form["password"], personal, say=say)
        release()
        hashed = passwords.hash_new(form["password"], visitor)
    except (ValidationFailed, ServiceBusy):
        if "code" in form:
            challenges.give_back(row.id)
        raise
    _replace(row, hashed, visitor)


def describe(challenge_id: UUID) -> PendingReset | None:
    """Return whose password a link replaces, if it still can."""
    row = challenges.by_id(PURPOSE, challenge_id)
    user = accounts.get(row.user_id) if row and row.user_id else None
    return PendingReset(user.email, row.created_at) if row and user else None


def owner(form: dict[str, Any]) -> User | None:
    """Return who has the address, or has proved the number."""
    if "phone" in form:
        return accounts.by_proven_phone(form["phone"])
    return accounts.by_email(form["email"].canonical)


def named(form: dict[str, Any]) -> str:
    """Return the canonical form of the address or number."""
    return str(form["phone"] if "phone" in form else form["email"].canonical)


def turn(form: dict[str, Any], user: User | None) -> str:
    """Return the key of `take_turns` for whoever asks, known or not."""
    return accounts.turn(user.id) if user else f"nobody:{named(form)}"


def _letter(form: dict[str, Any], user: User | None) -> Letter:
    """Return the letter, still without its variables.

    It goes to the address as its owner wrote it, not as somebody else did.
    """
    locale = user.locale if user else None
    if "phone" in form:
        return Letter(form["phone"], "sms_reset", {}, locale, "sms")
    return Letter(user.email if user else form["email"].address, "password_reset", {}, locale)


def _send(user: User, letter: Letter, visitor: Visitor) -> None:
    challenges.forget_of(user.id, PURPOSE)
    data = {"user_id": str(user.id), "by": letter.channel}
    put = texting.text if letter.channel == "sms" else outbox.put
    put(_filled(letter, str(user.id), data), visitor)
    record(events.Recovery.REQUESTED, visitor, user_id=user.id, by=letter.channel)


def _pretend(named: str, letter: Letter, visitor: Visitor) -> None:
    """Do for nobody what is done for somebody; no message tells the code."""
    challenges.forget(PURPOSE, named)
    waste = texting.waste if letter.channel == "sms" else outbox.waste
    waste(_filled(letter, named, {"by": letter.channel}), visitor)


def _filled(letter: Letter, about: str, data: dict[str, Any]) -> Letter:
    """Write the challenge; return the letter with its code and, in a mail, its link."""
    if letter.channel == "sms":
        secrets = challenges.create_texted(PURPOSE, about, data)
        return replace(letter, variables={"code": secrets.code})
    secrets = challenges.create(PURPOSE, about, data, LIFETIME)
    return replace(letter, variables=letters.proof("reset-password", secrets, LIFETIME))


def _by_code(form: dict[str, Any], visitor: Visitor) -> Challenge:
    user = owner(form)
    whom = user.id if user else named(form)
    with codes.counted(whom, visitor, RecoveryFailed):
        return challenges.guess_code(PURPOSE, str(whom), form["code"])


def _replace(row: Challenge, hashed: passwords.Hashed, visitor: Visitor) -> None:
    data = challenges.open_data(row)
    user_id = UUID(data["user_id"])
    try:
        with writing():
            take_turns(accounts.turn(user_id))
            challenges.consume(row.id)
            user = accounts.get(user_id)
            if user is None:
                raise RecoveryFailed
            if data["by"] == "email" and user.email_verified_at is None:
                claim(user, visitor)  # who reads its mail has the address
            if data["by"] == "sms" and user.phone:
                spending.proved(user.phone)
            passwords.store(user_id, replace(hashed, chosen_by=data["by"]))
            put_everybody_out(user_id, "password_reset", visitor)
            notices.tell(user, "notice_password_reset", {}, visitor)
            record(events.Recovery.COMPLETED, visitor, user_id=user_id)
    except challenges.InvalidCode:
        raise RecoveryFailed(user_id=user_id) from None
