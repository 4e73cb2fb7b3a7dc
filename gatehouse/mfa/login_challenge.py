"""Logins that wait for their second step: a challenge that opens nothing else."""

from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.authorization import roles
from gatehouse.core import clock, crypto
from gatehouse.database.session import db, writing
from gatehouse.lockout.service import Guess
from gatehouse.mfa import attempts, credential_store, registry
from gatehouse.mfa import email_fallback as mailed
from gatehouse.mfa.factor import CodeUsed, Proved, Question
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.sessions import assurance
from gatehouse.users import service as users
from gatehouse.users.service import Person
from gatehouse.web.request_context import Visitor
from models import Challenge, Credential, User

PURPOSE = "mfa"
LIFETIME = timedelta(minutes=5)
_counting = (
    select(Credential.id)
    .where(Credential.user_id == User.id, Credential.confirmed_at.is_not(None))
    .where(Credential.kind.in_(bindparam("kinds", expanding=True)))
    .exists()
)
PERSON = select(User, roles.given_roles(User.id), _counting).where(User.id == bindparam("user_id"))
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
    """When the verified password was chosen: once there is another one, the login ends."""
    mailed: str | None = None
    """The id by which a code by mail is asked for, of somebody who has no factor."""


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


def person(user_id: UUID) -> tuple[Person | None, bool]:
    """Read a person, and whether they have a factor to be asked for, in one statement."""
    about = {"user_id": user_id, "kinds": registry.counting()}
    found = db.session.execute(PERSON, about).one_or_none()
    return (users.person(found[0], found[1]), found[2]) if found else (None, False)


def ask(first: FirstStep, visitor: Visitor) -> Wanted:
    """Let a login wait for its second step, in the current transaction."""
    user_id = UUID(first.user_id)
    data = {"user_id": first.user_id, "first": asdict(first), "asked": {}}
    secrets = one_time_codes.create(PURPOSE, first.user_id, data, LIFETIME)
    record(events.Factor.ASKED, visitor, user_id=user_id, amr=first.amr)
    return Wanted(secrets.token, [_offer(row) for row in fitting(first)])


def ask_by_mail(first: FirstStep, visitor: Visitor) -> Wanted:
    """Let the login of somebody who has no factor wait for a code by mail."""
    return ask(replace(first, mailed=str(crypto.new_id())), visitor)


def fitting(first: FirstStep) -> list[Credential]:
    """Return the factors that a person can prove after a first step, in the order of the settings.

    The channel of the first step adds nothing. Where the policy wants a second factor of somebody
    who has a strong one, no weak one will do. Who had none, and still has none, proves the mailbox.
    """
    user_id, order = UUID(first.user_id), list(registry.kinds())
    held = credential_store.held(user_id)
    if first.mailed and not any(registry.counts(row.kind) for row in held):
        return [mailed.factor(user_id, UUID(first.mailed))]
    rows = [row for row in held if registry.adds(row.kind, first.amr)]
    if any(registry.is_strong(row.kind) for row in rows) and must_have(user_id):
        rows = [row for row in rows if registry.piece(row.kind).strong]
    return sorted(rows, key=lambda row: order.index(row.kind))


def must_have(user_id: UUID) -> bool:
    """Tell whether the policy wants a second factor of a person."""
    if config.settings().mfa == "optional":
        return False
    return assurance.is_mfa_required(users.profile_of(user_id)["roles"])


def _offer(row: Credential) -> dict[str, Any]:
    if row.kind == registry.RECOVERY:
        return {"kind": row.kind}
    return {"id": str(row.id), "kind": row.kind, "label": row.label}


def challenge(mfa_token: str, factor_id: UUID, visitor: Visitor) -> dict[str, Any]:
    """Ask for a factor: send its message, or return what a browser needs to prove it.

    Raises:
        InvalidCode: the login does not wait any more, or this person has no such factor.
    """
    with writing():
        row = _waiting(mfa_token)
        data = one_time_codes.open_data(row)
        first = FirstStep(**data["first"])
        user = users.get(UUID(first.user_id))
        mine = [factor for factor in fitting(first) if factor.id == factor_id]
        if user is None or not mine:
            raise InvalidCode
        question = registry.piece(mine[0].kind).ask(user, mine, visitor)
        _keep(row, data, mine[0].kind, question)
    lifetime = question.lifetime or LIFETIME
    return {"expires_in": int(lifetime.total_seconds()), **question.shown}


def count(form: dict[str, Any], visitor: Visitor) -> Attempt:
    """Count a guess at the second step, and commit the count.

    Raises:
        InvalidCode: the login does not wait any more, or not for this; nothing was counted.
        TooManyAttempts: too many guesses at this account were wrong; this one is not evaluated.
        ValidationFailed: the form proves nothing of the kind that it names.
    """
    row = _waiting(form["mfa_token"])
    data = one_time_codes.open_data(row)
    first = FirstStep(**data["first"])
    user_id = UUID(first.user_id)
    offered = fitting(first)
    kind = _kind_named(offered, form)
    attempts.proof_of(kind, form)
    if kind not in {row.kind for row in offered}:
        raise InvalidCode
    one_time_codes.guess_with_token(PURPOSE, form["mfa_token"], GUESSES)
    with one_time_codes.given_back(row.id):
        guess = attempts.count(user_id, visitor)
    return Attempt(row.id, first, data["asked"], form, guess)


def prove(attempt: Attempt, visitor: Visitor) -> Proved:
    """Return what the second step proved, and use the login up, in a write transaction.

    Raises:
        InvalidCode: nothing.
        CodeUsed: the guess is not counted: the login or the code was used before.
    """
    try:
        one_time_codes.consume(attempt.challenge_id)
    except InvalidCode:
        raise CodeUsed from None
    offered, form = fitting(attempt.first), attempt.form
    if [str(row.id) for row in offered] == [attempt.first.mailed]:
        proof, asked = attempts.proof_of(mailed.KIND, form), attempt.asked.get(mailed.KIND, {})
        return registry.piece(mailed.KIND).verify(offered, proof, asked, visitor)
    return attempts.prove(UUID(attempt.first.user_id), form, attempt.asked, visitor)


def _kind_named(offered: list[Credential], form: dict[str, Any]) -> str:
    """Return the kind of factor that a form names by `factor`, or by the `factor_id` of one.

    Raises:
        InvalidCode: there is none of that id.
    """
    if "factor_id" not in form:
        return str(form["factor"])
    kinds = {row.id: row.kind for row in offered}
    if form["factor_id"] not in kinds:
        raise InvalidCode
    return kinds[form["factor_id"]]


def _keep(row: Challenge, data: dict[str, Any], kind: str, question: Question) -> None:
    """Keep what was asked; a login waits as long as the newest code that was sent for it works."""
    if question.kept is None:
        return
    one_time_codes.change_data(row, data | {"asked": data["asked"] | {kind: question.kept}})
    if question.lifetime:
        row.expires_at = max(row.expires_at, clock.now() + question.lifetime)


def _waiting(mfa_token: str) -> Challenge:
    row = one_time_codes.by_token(PURPOSE, mfa_token)
    if row is None or row.attempts >= GUESSES:
        raise InvalidCode
    return row
