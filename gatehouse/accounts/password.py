"""The one way to verify the password of an account, for every door where one can be guessed."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy import bindparam, select

from gatehouse.accounts import notices
from gatehouse.accounts.service import NOBODY
from gatehouse.defence import devices, guard, throttle
from gatehouse.foundation.statements import read_one
from gatehouse.foundation.visitor import Visitor
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from models import Password

_device = select(devices.known().label("id")).subquery()
_mine = Password.user_id == bindparam("user_id")
LOOK = select(
    _device.c.id.label("device_id"),
    Password.hash,
    Password.pepper,
    Password.changed_at,
    Password.chosen_by,
).select_from(_device.outerjoin(Password, _mine))
"""One row, whoever is looked for."""


@dataclass(frozen=True)
class Claimed:
    """An account that somebody says is theirs, or the identifier that belongs to nobody."""

    whom: UUID | str
    """A user's id, or the canonical form of that identifier."""
    user_id: UUID
    """That id, or nobody's."""
    stored: passwords.Hashed | None
    device_id: UUID | None
    """The visitor's device, if that person has signed in on it before."""


@dataclass(frozen=True)
class Verified:
    """Whose password it is, as it is stored, and hashed anew where that is stale."""

    user_id: UUID
    stored: passwords.Hashed
    fresh: passwords.Hashed | None
    failures: int
    """Wrong ones in a row from the device or the network, just before."""
    strangers: int
    """And from all unknown devices; 0 on a known one."""


def look(whom: UUID | str, visitor: Visitor) -> Claimed:
    """Read what a password is verified with, by one statement outside any transaction.

    `whom` is a user's id, or the canonical form of an identifier that belongs to nobody.
    """
    user_id = whom if isinstance(whom, UUID) else NOBODY
    row = read_one(LOOK, user_id=user_id, **devices.known_as(visitor))
    known = (row.hash, row.pepper, row.changed_at, row.chosen_by)
    stored = passwords.Hashed(*known) if row.hash else None
    return Claimed(whom, user_id, stored, row.device_id)


def verify(
    claimed: Claimed,
    password: str,
    visitor: Visitor,
    wrong: type[InvalidCredentials] = InvalidCredentials,
) -> Verified:
    """Return if this is the account's password; the guess is counted before it is evaluated.

    Whatever keeps the password from being evaluated withdraws the count.

    Raises:
        InvalidCredentials: it is not, as the door's own kind `wrong`.
        TooManyAttempts: too many were wrong; this one was not evaluated.
    """
    whom, stored = claimed.whom, claimed.stored
    guess = throttle.count(whom, claimed.device_id, visitor)
    try:
        fresh = passwords.verify(stored, password, visitor)
        if stored is None:  # whatever was typed: the decoy opens nothing
            raise WrongPassword
    except WrongPassword:
        raise _refusal(wrong, guess, guard.miss(whom, password, visitor), visitor) from None
    except BaseException:
        throttle.withdraw(guess)
        raise
    throttle.succeeded(guess)
    strangers = max(0, guess.strangers - 1)
    return Verified(claimed.user_id, stored, fresh, guess.failures - 1, strangers)


def _refusal(
    wrong: type[InvalidCredentials], guess: throttle.Guess, missed: guard.Miss, visitor: Visitor
) -> InvalidCredentials:
    refusal = wrong(user_id=guess.user_id)
    refusal.aftermath = partial(_follow_up, guess, missed, visitor)
    return refusal


def _follow_up(guess: throttle.Guess, missed: guard.Miss, visitor: Visitor) -> None:
    """Record what a wrong password brings with it, in the transaction of the refusal."""
    notices.after_a_wrong_guess(guess, visitor)
    guard.note(missed, visitor)
