"""Things that are proved once: a row with the digests of its token and its code.

A token has 256 bits and needs no limit; a code has few digits, so its guesses are counted, and
committed, before they are checked. A challenge is consumed by one conditional UPDATE.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

import config
from gatehouse.core import clock, crypto
from gatehouse.core.errors import BEARER, Refusal
from gatehouse.database.session import apart, db
from models import Challenge

CODE_DIGITS = 8
TEXTED_DIGITS = 6
TEXTED_LIFETIME = timedelta(minutes=10)  # NIST SP 800-63B-4 section 4.2.1.2, of codes by SMS
CODE_GUESSES = 5
LINK_GUESSES = 20
"""Of the password that goes with a link; more than a stranger's guesses of the code can use up."""


class InvalidCode(Refusal):
    """The code or the link is wrong, has expired, or was used before."""

    status = 401
    code = "invalid_code"
    next = "Ask for a new one."
    headers = BEARER


@dataclass(frozen=True)
class Secrets:
    """What only the message to its recipient holds."""

    id: UUID
    token: str
    code: str


def create(purpose: str, about: str, data: dict[str, Any], lifetime: timedelta) -> Secrets:
    """Write a challenge in the current transaction; `about` is looked up by its keyed digest.

    Where `data` names a `user_id`, it is that person's, and `forget_of` finds it.
    """
    return _equip(_write(purpose, about, data, lifetime), _new_code(CODE_DIGITS, data))


def create_texted(purpose: str, about: str, data: dict[str, Any]) -> Secrets:
    """Write a challenge whose code is texted, or typed in at once: short, and so is its life."""
    row = _write(purpose, about, data, TEXTED_LIFETIME)
    return _equip(row, _new_code(TEXTED_DIGITS, data))


def renew(row: Challenge) -> Secrets:
    """Give a challenge a new token and a new code, in the current transaction; the old are void.

    Its five guesses begin anew with the code. What counts on is the account's (`accounts.codes`).
    """
    row.attempts = 0
    return _equip(row, _new_code(CODE_DIGITS, open_data(row)))


def _write(purpose: str, about: str, data: dict[str, Any], lifetime: timedelta) -> Challenge:
    row = Challenge(id=crypto.new_id(), purpose=purpose, expires_at=clock.now() + lifetime)
    row.lookup = crypto.keyed_digest(purpose, about)
    row.user_id = UUID(data["user_id"]) if data.get("user_id") else None
    row.data = crypto.seal(json.dumps(data).encode(), _place(row.id))
    db.session.add(row)
    return row


def _equip(row: Challenge, code: str) -> Secrets:
    secrets = Secrets(row.id, crypto.token(), code)
    row.token_digest = crypto.digest(secrets.token)
    row.code_digest = _code_digests(secrets.id, secrets.code)[0]
    return secrets


def guess_code(purpose: str, about: str, code: str) -> Challenge:
    """Count a guess at the codes about something, commit the count, then find whose code it is.

    Raises:
        InvalidCode: it is nobody's, or the guesses are used up.
    """
    lookups = crypto.keyed_digests(purpose, about)
    for row in _counted(Challenge.lookup.in_(lookups), purpose, CODE_GUESSES):
        if row.code_digest in _code_digests(row.id, code):
            return row
    raise InvalidCode


def guess_with_token(purpose: str, token: str, most: int = LINK_GUESSES) -> Challenge:
    """Count a guess of what else a link needs, commit the count, and return its challenge.

    Raises:
        InvalidCode: there is no such token, or the guesses are used up.
    """
    mine = Challenge.token_digest == crypto.digest(token)
    for row in _counted(mine, purpose, most):
        return row
    raise InvalidCode


def require_code(row: Challenge, code: str) -> None:
    """Return if a code is that of a challenge; for those who count the guesses themselves.

    Raises:
        InvalidCode: it is not.
    """
    if row.code_digest not in _code_digests(row.id, code):
        raise InvalidCode


def give_back(challenge_id: UUID) -> None:
    """Undo the count of a guess that was never evaluated."""
    one_less = update(Challenge).where(Challenge.id == challenge_id, Challenge.attempts > 0)
    with apart() as connection:
        connection.execute(one_less.values(attempts=Challenge.attempts - 1))


@contextmanager
def given_back(challenge_id: UUID, *but: type[Exception]) -> Iterator[None]:
    """Give the guess back if the block ends in an exception, `but` for those that judge it."""
    try:
        yield
    except but:
        raise
    except Exception:
        give_back(challenge_id)
        raise


def by_token(purpose: str, token: str) -> Challenge | None:
    """Read a challenge that can still be proved."""
    mine = Challenge.token_digest == crypto.digest(token)
    row: Challenge | None = db.session.scalar(_alive(purpose).where(mine))
    return row


def by_id(purpose: str, challenge_id: UUID) -> Challenge | None:
    """Read a challenge that can still be proved."""
    mine = Challenge.id == challenge_id
    row: Challenge | None = db.session.scalar(_alive(purpose).where(mine))
    return row


def consume(challenge_id: UUID) -> None:
    """Use a challenge up, in the current transaction.

    Raises:
        InvalidCode: somebody else did.
    """
    unused = update(Challenge).where(Challenge.id == challenge_id, Challenge.used_at.is_(None))
    used = db.session.execute(unused.values(used_at=clock.now()).returning(Challenge.id))
    if used.first() is None:
        raise InvalidCode


def hold(purpose: str, about: str) -> list[UUID]:
    """Lock every challenge about something until the transaction ends, and return their ids."""
    lookups = crypto.keyed_digests(purpose, about)
    mine = select(Challenge).where(Challenge.purpose == purpose, Challenge.lookup.in_(lookups))
    return list(db.session.scalars(_in_order(mine)))


def forget(purpose: str, about: str) -> None:
    """Delete every challenge about something."""
    db.session.execute(delete(Challenge).where(Challenge.id.in_(hold(purpose, about))))


def waiting(purpose: str, about: str) -> Sequence[Challenge]:
    """Read the challenges about something that can still be proved, newest first."""
    lookups = crypto.keyed_digests(purpose, about)
    mine = _alive(purpose).where(Challenge.lookup.in_(lookups))
    return db.session.scalars(mine.order_by(Challenge.id.desc())).all()


def forget_of(user_id: UUID, *purposes: str, but: Sequence[str] = ()) -> None:
    """Delete what a person has of these purposes, of all where none is named, `but` for some."""
    mine = select(Challenge).where(Challenge.user_id == user_id, Challenge.purpose.not_in(but))
    if purposes:
        mine = mine.where(Challenge.purpose.in_(purposes))
    ids = list(db.session.scalars(_in_order(mine)))
    db.session.execute(delete(Challenge).where(Challenge.id.in_(ids)))


def change_data(row: Challenge, data: dict[str, Any]) -> None:
    """Seal other data in a challenge, in the current transaction."""
    row.data = crypto.seal(json.dumps(data).encode(), _place(row.id))


def keep_code(secrets: Secrets, data: dict[str, Any]) -> None:
    """Let a challenge of the current transaction keep its code, to be told to who has its token."""
    row = db.session.get_one(Challenge, secrets.id)
    change_data(row, data | {"code": secrets.code})


def open_data(row: Challenge) -> dict[str, Any]:
    """Return what a challenge keeps sealed."""
    data: dict[str, Any] = json.loads(crypto.unseal(row.data, _place(row.id)))
    return data


def purge() -> None:
    """Delete the challenges that nobody proved in time."""
    db.session.execute(delete(Challenge).where(Challenge.expires_at < clock.now()))


def _new_code(digits: int, data: dict[str, Any]) -> str:
    """Return a random code, or the one that development has given whom the data name."""
    fixed = config.settings().dev_fixed_codes
    named = (value.lower() for value in data.values() if fixed and isinstance(value, str))
    return next((fixed[name] for name in named if name in fixed), "") or crypto.code(digits)


def _in_order(rows: Any) -> Any:
    """Return the ids of rows, locked in one order, so that no two wait for each other."""
    return rows.with_only_columns(Challenge.id).order_by(Challenge.id).with_for_update()


def _alive(purpose: str) -> Any:
    return select(Challenge).where(
        Challenge.purpose == purpose,
        Challenge.used_at.is_(None),
        Challenge.expires_at > clock.now(),
    )


def _counted(which: Any, purpose: str, most: int) -> Sequence[Challenge]:
    """Count one attempt at each matching challenge that has any left, and return those."""
    ids = _in_order(_alive(purpose).where(which, Challenge.attempts < most))
    counted = update(Challenge).where(Challenge.id.in_(ids), Challenge.attempts < most)
    with apart() as connection:
        statement = counted.values(attempts=Challenge.attempts + 1).returning(Challenge.id)
        mine = connection.scalars(statement).all()
    return db.session.scalars(select(Challenge).where(Challenge.id.in_(mine))).all()


def _code_digests(challenge_id: UUID, code: str) -> list[str]:
    return crypto.keyed_digests(f"code:{challenge_id}", code)


def _place(challenge_id: UUID) -> str:
    return f"challenges.data:{challenge_id}"
