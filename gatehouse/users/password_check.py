"""The one way to verify the password of an account, for every door where one can be guessed."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam, func, select

from gatehouse.database.statements import read_one
from gatehouse.devices import service as devices
from gatehouse.lockout import credential_stuffing
from gatehouse.lockout import service as lockout
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.users import identifiers, notifications
from gatehouse.users import service as users
from gatehouse.web.request_context import Visitor
from models import Password

ID = select(bindparam("user_id", type_=Uuid))
"""Finds an id by itself."""


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


def claim(identifier: str, visitor: Visitor) -> Claimed:
    """Find the account that an identifier means, and read what its password is verified with.

    Known or not, that is one statement, and one row, outside any transaction.
    """
    search = users.search(identifier)
    if search is None:
        return look(identifiers.canonical(identifier), visitor)
    about = {"canonical": search.canonical, **devices.known_as(visitor)}
    row = read_one(_looking_for(search.statement), **about)
    return _claimed(row.user_id if row.user_id != users.NOBODY else search.canonical, row)


def look(whom: UUID | str, visitor: Visitor) -> Claimed:
    """Read the same of a person, by their id, or of an identifier that is nobody's."""
    user_id = whom if isinstance(whom, UUID) else users.NOBODY
    return _claimed(whom, read_one(_looking_for(ID), user_id=user_id, **devices.known_as(visitor)))


@cache
def _looking_for(ids: Select[UUID]) -> Select[*tuple[Any, ...]]:
    """Return a statement with one row, of whom `ids` finds or of nobody, whose rows are sought."""
    user_id = func.coalesce(ids.scalar_subquery(), bindparam("nobody", users.NOBODY, Uuid))
    who = select(user_id.label("user_id")).limit(1).subquery()  # or it is sought three times
    device = devices.known(who.c.user_id).label("device_id")
    of_password = (Password.hash, Password.pepper, Password.changed_at, Password.chosen_by)
    mine = Password.user_id == who.c.user_id
    return select(who.c.user_id, device, *of_password).select_from(who.outerjoin(Password, mine))


def _claimed(whom: UUID | str, row: Any) -> Claimed:
    user_id = whom if isinstance(whom, UUID) else users.NOBODY
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
    guess = lockout.count(whom, claimed.device_id, visitor)
    try:
        fresh = passwords.verify(stored, password, visitor)
        if stored is None:  # whatever was typed: the decoy opens nothing
            raise WrongPassword
    except WrongPassword:
        raise _refusal(
            wrong, guess, credential_stuffing.miss(whom, password, visitor), visitor
        ) from None
    except BaseException:
        lockout.withdraw(guess)
        raise
    lockout.succeeded(guess)
    strangers = max(0, guess.strangers - 1)
    return Verified(claimed.user_id, stored, fresh, guess.failures - 1, strangers)


def _refusal(
    wrong: type[InvalidCredentials],
    guess: lockout.Guess,
    missed: credential_stuffing.Miss,
    visitor: Visitor,
) -> InvalidCredentials:
    refusal = wrong(user_id=guess.user_id)
    refusal.aftermath = partial(_follow_up, guess, missed, visitor)
    return refusal


def _follow_up(guess: lockout.Guess, missed: credential_stuffing.Miss, visitor: Visitor) -> None:
    """Record what a wrong password brings with it, in the transaction of the refusal."""
    notifications.after_a_wrong_guess(guess, visitor)
    credential_stuffing.note(missed, visitor)
