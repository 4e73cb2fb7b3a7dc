"""Logins that wait for their second step: a challenge that opens nothing else."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from gatehouse.accounts import service as accounts
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.defence.throttle import Guess, TooManyAttempts
from gatehouse.foundation.database import db, writing
from gatehouse.foundation.visitor import Visitor
from gatehouse.mfa import credentials, guesses, shelf
from gatehouse.mfa.factor import CodeUsed, Proved
from gatehouse.tokens import challenges
from gatehouse.tokens.challenges import InvalidCode
from models import Challenge, Credential, User

PURPOSE = "mfa"
LIFETIME = timedelta(minutes=5)
GUESSES = 5
"""At one `mfa_token`; a new login brings no more than the account's counters allow."""


@dataclass(frozen=True)
class FirstStep:
    """What the first step of a login established, and where it shall lead; plain JSON values."""

    user_id: str
    amr: list[str]
    transport: str
    replaced: str | None = None
    """The session that the browser was in before."""
    password: str | None = None
    """Digest of the stored hash that was verified: a password that changes ends the login."""


@dataclass(frozen=True)
class Wanted:
    """The answer to a first step (the schema `MfaAnswer`)."""

    mfa_token: str
    factors: list[dict[str, Any]]
    expires_in: int = int(LIFETIME.total_seconds())
    status: str = "mfa_required"


@dataclass(frozen=True)
class Attempt:
    """A second step whose guess was counted, and is not evaluated yet."""

    challenge_id: UUID
    first: FirstStep
    asked: dict[str, Any]
    form: dict[str, Any]
    guess: Guess


def person(user_id: UUID) -> tuple[User | None, bool]:
    """Read an account, and whether it has a factor to be asked for, in one statement."""
    kinds = [kind for kind in shelf.kinds() if shelf.counts(kind)]
    mine = select(Credential.id).where(Credential.user_id == User.id, Credential.kind.in_(kinds))
    has_one = mine.where(Credential.confirmed_at.is_not(None)).exists()
    found = db.session.execute(select(User, has_one).where(User.id == user_id)).one_or_none()
    return (found[0], found[1]) if found else (None, False)


def ask(first: FirstStep, visitor: Visitor) -> Wanted:
    """Let a login wait for its second step, in the current transaction."""
    user_id = UUID(first.user_id)
    data = {"user_id": first.user_id, "first": asdict(first), "asked": {}}
    secrets = challenges.create(PURPOSE, first.user_id, data, LIFETIME)
    record(events.Factor.ASKED, visitor, user_id=user_id, amr=first.amr)
    return Wanted(secrets.token, offered(user_id))


def offered(user_id: UUID) -> list[dict[str, Any]]:
    """Return what a person can prove, in the order of the settings."""
    order = list(shelf.kinds())
    rows = [row for row in credentials.held(user_id) if row.kind in order]
    rows.sort(key=lambda row: order.index(row.kind))
    return [_offer(row) for row in rows]


def _offer(row: Credential) -> dict[str, Any]:
    if row.kind == shelf.RECOVERY:
        return {"kind": row.kind}
    return {"id": str(row.id), "kind": row.kind, "label": row.label}


def challenge(mfa_token: str, factor_id: UUID, visitor: Visitor) -> dict[str, Any]:
    """Ask for a factor: send its message, or return what a browser needs to prove it.

    Raises:
        InvalidCode: the login does not wait any more, or this person has no such factor.
    """
    with writing():
        row = _waiting(mfa_token)
        data = challenges.open_data(row)
        user = accounts.get(UUID(data["first"]["user_id"]))
        held = credentials.held(user.id) if user else []
        mine = [factor for factor in held if factor.id == factor_id]
        if user is None or not mine:
            raise InvalidCode
        question = shelf.piece(mine[0].kind).ask(user, mine, visitor)
        data["asked"][mine[0].kind] = question.kept
        challenges.change_data(row, data)
    return {"expires_in": Wanted.expires_in, **question.shown}


def count(form: dict[str, Any], visitor: Visitor) -> Attempt:
    """Count a guess at the second step, and commit the count.

    Raises:
        InvalidCode: the login does not wait any more; nothing was counted.
        TooManyAttempts: too many guesses at this account were wrong; this one is not evaluated.
        ValidationFailed: the form proves nothing of the kind that it names.
    """
    row = _waiting(form["mfa_token"])
    data = challenges.open_data(row)
    first = FirstStep(**data["first"])
    user_id = UUID(first.user_id)
    guesses.proof_of(guesses.kind_of(user_id, form), form)
    challenges.guess_with_token(PURPOSE, form["mfa_token"], GUESSES)
    try:
        guess = guesses.count(user_id, visitor)
    except TooManyAttempts:
        challenges.give_back(row.id)
        raise
    return Attempt(row.id, first, data["asked"], form, guess)


def prove(attempt: Attempt, visitor: Visitor) -> Proved:
    """Return what the second step proved, and use the login up, in a write transaction.

    Raises:
        InvalidCode: nothing.
        CodeUsed: the guess is not counted: the login or the code was used before.
    """
    try:
        challenges.consume(attempt.challenge_id)
    except InvalidCode:
        raise CodeUsed from None
    user_id = UUID(attempt.first.user_id)
    return guesses.prove(user_id, attempt.form, attempt.asked, visitor)


def _waiting(mfa_token: str) -> Challenge:
    row = challenges.by_token(PURPOSE, mfa_token)
    if row is None or row.attempts >= GUESSES:
        raise InvalidCode
    return row
