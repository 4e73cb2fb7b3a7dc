"""Telling the owner of an account what was done to it, and how to object."""

from typing import Any
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.lockout import service as lockout
from gatehouse.lockout.service import Guess
from gatehouse.messaging import outbox, recipient_limits, sms
from gatehouse.messaging.links import address
from gatehouse.messaging.message import Letter
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.users import service as users
from gatehouse.web.request_context import Visitor
from models import User

UNDO = "email_undo"
"""The purpose of a challenge by which the owner of an old address takes it back."""
MFA_RESET = "mfa_reset"
"""The purpose of a challenge by which an owner keeps the second factors."""
KEPT = (UNDO, MFA_RESET)
"""What a new password, or an address that is taken back, does not void."""
TEXTED = {
    "notice_password_reset": "your password was reset",
    "notice_email_changed": "your e-mail address was changed",
    "notice_mfa_reset": "your second factor is being reset",
}
"""What is serious enough for a text message to a proven number, and the words for it."""


def tell(user: User, template: str, variables: dict[str, Any], visitor: Visitor) -> None:
    """Write a notice to every address of the account, in the current transaction.

    An old address counts while its owner may take it back. Where `variables` name no `link`, the
    notice leads to where a forgotten password is replaced. Of one kind three are written in an
    hour to one address.
    """
    shown = {"link": address("forgot-password")} | variables
    for recipient in addresses(user):
        tell_at(recipient, Letter("", template, shown, user.locale), visitor)
    if what := TEXTED.get(template):
        text(user, what, visitor)


def tell_at(recipient: str, letter: Letter, visitor: Visitor) -> None:
    """Write a notice to one address, unless it got enough of its kind this hour."""
    mine = Letter(recipient, letter.template, letter.variables, letter.locale)
    if not recipient_limits.put(mine, visitor):
        record(events.Notice.WITHHELD, visitor, template=letter.template)


def text(user: User, what: str, visitor: Visitor) -> None:
    """Text the proven number of an account what was done, in a few words; without one, nobody."""
    if user.phone and user.phone_verified_at:
        notice = Letter(user.phone, "sms_notice", {"what": what}, user.locale, "sms")
        sms.text(notice, visitor)


def addresses(user: User) -> list[str]:
    """Return the e-mail address of an account, and those that its owner may still take back."""
    undoable = one_time_codes.waiting(UNDO, str(user.id))
    old = [one_time_codes.open_data(row)["old"] for row in undoable]
    return list(dict.fromkeys([user.email, *old]))


def of_attempts(user_id: UUID, visitor: Visitor) -> None:
    """Tell the owner, once an hour, of right and wrong proofs beside each other (ASVS V6.3.5)."""
    user = users.get(user_id)
    if user:
        tell(user, "notice_attempts", {}, visitor)


def after_a_wrong_guess(guess: Guess, visitor: Visitor) -> None:
    """Record what a wrong guess brings with it; tell the owner, once an hour, that doors shut.

    For an identifier of nobody the same work is done, and nobody is told.
    """
    if not lockout.failed(guess, visitor):
        return
    user = users.get(guess.user_id or users.NOBODY)
    if user:
        tell(user, "notice_lockout", {}, visitor)
        return
    for recipient in addresses(User(id=users.NOBODY, email="nobody@example.com")):
        letter = Letter(recipient, "notice_lockout", {"link": address("forgot-password")})
        recipient_limits.left(recipient, letter.template)
        outbox.waste(letter, visitor)
