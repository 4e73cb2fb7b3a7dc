"""Taking an account back from the old address, for 72 hours after it got another one.

Whoever changed the address may have stolen the account: they know its password, and may have
added a number or a passkey. So everything that came with or after the change goes; but where a
strong factor had to be proved to add another, factors stay: a mailbox alone removes none.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from gatehouse.account import registration
from gatehouse.account.access_revocation import put_everybody_out
from gatehouse.account.errors import UndoFailed
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.database.session import db, take_turns, writing
from gatehouse.messaging import links
from gatehouse.messaging.message import Letter
from gatehouse.mfa import service as mfa
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.sessions import assurance
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import Visitor
from models import Challenge, Credential, User

PURPOSE = notifications.UNDO
LIFETIME = timedelta(hours=72)


@dataclass(frozen=True)
class PendingUndo:
    """What the page of the link tells about the change it would undo."""

    old: str
    new: str
    asked_at: datetime


def offer(user: User, old: str, visitor: Visitor) -> None:
    """Tell every address of an account that it has a new one; the old one can take it back."""
    data: dict[str, Any] = {"user_id": str(user.id), "old": old, "new": user.email}
    data["keeps_factors"] = mfa.highest_level(user.id) == assurance.AAL2
    told_before = notifications.addresses(user)
    secrets = one_time_codes.create(PURPOSE, str(user.id), data, LIFETIME)
    expires = clock.now() + LIFETIME
    where = links.link("undo-email", secrets.id, secrets.token)
    shown = {"new_address": user.email, "expires": expires}
    mine = Letter("", "notice_email_changed", shown | {"link": where}, user.locale)
    notifications.tell_at(old, mine, visitor)
    elsewhere = shown | {"link": links.address("forgot-password")}
    for address in told_before:
        if address != old:
            others = Letter("", "notice_email_changed", elsewhere, user.locale)
            notifications.tell_at(address, others, visitor)
    notifications.text(user, notifications.TEXTED["notice_email_changed"], visitor)


def take_back(token: str, visitor: Visitor) -> None:
    """Give an account its old address back.

    Everybody is put out; the password opens nothing any more, so a new one is chosen by mail; a
    number, factors and passkeys that came since the change are gone.

    Raises:
        UndoFailed: the token is wrong, has expired, was used before, or the old address has an
            account of its own meanwhile.
    """
    row = one_time_codes.by_token(PURPOSE, token)
    if row is None:
        raise UndoFailed
    try:
        with writing():
            _restore(row, visitor)
    except (IntegrityError, one_time_codes.InvalidCode):
        raise UndoFailed(user_id=row.user_id) from None


def describe(challenge_id: UUID) -> PendingUndo | None:
    """Return what a link would undo, if it still can."""
    row = one_time_codes.by_id(PURPOSE, challenge_id)
    if row is None:
        return None
    data = one_time_codes.open_data(row)
    return PendingUndo(data["old"], data["new"], row.created_at)


def _restore(row: Challenge, visitor: Visitor) -> None:
    data = one_time_codes.open_data(row)
    old = Email(data["old"], data["old"].lower())
    user_id = UUID(data["user_id"])
    take_turns(users.turn(user_id))
    take_turns(registration.turn(old.canonical))
    one_time_codes.consume(row.id)
    user = users.get(user_id)
    if user is None:
        raise one_time_codes.InvalidCode
    thiefs = user.email
    users.take_address(user, old)
    one_time_codes.forget(registration.PURPOSE, old.canonical)
    passwords.discard(user_id)
    _drop_what_came_since(user, row)
    put_everybody_out(user_id, "email_undone", visitor)
    notifications.tell(user, "notice_password_reset", {}, visitor)
    shown = {"link": links.address("forgot-password")}
    notifications.tell_at(thiefs, Letter("", "notice_password_reset", shown, user.locale), visitor)
    record(events.Address.EMAIL_UNDONE, visitor, user_id=user_id)


def _drop_what_came_since(user: User, row: Challenge) -> None:
    """Remove undos of later changes, a number and factors: a thief's ways back in.

    Where a factor had to be proved to add another one, they are no thief's: a mailbox takes none.
    """
    for later in one_time_codes.waiting(PURPOSE, str(user.id)):
        if later.id > row.id:  # ids are in the order of time
            one_time_codes.consume(later.id)
    if user.phone_verified_at and user.phone_verified_at >= row.created_at:
        user.phone = user.phone_verified_at = None
    if one_time_codes.open_data(row).get("keeps_factors"):
        return
    added = (Credential.user_id == user.id) & (Credential.created_at >= row.created_at)
    db.session.execute(delete(Credential).where(added))
