"""Guesses of second factors: counted for the account, whatever factor, login or device they meet.

Only those that were evaluated stay counted. The counters are the lockout's, of a kind of their own:
the right password does not reset them, a proved factor does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from marshmallow import ValidationError

from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.core.errors import ValidationFailed
from gatehouse.devices import service as devices
from gatehouse.lockout import service as lockout
from gatehouse.mfa import credential_store, registry
from gatehouse.mfa.errors import FactorWrong
from gatehouse.mfa.factor import CodeUsed, Proof, Proved
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import notifications
from gatehouse.web.fields import describe
from gatehouse.web.request_context import Visitor

PROOFS = ("code", "credential")
"""What can prove a factor; which of them does is for its kind to say."""


def proof_of(kind: str, form: dict[str, Any]) -> Proof:
    """Return the part of a form that proves a kind of factor.

    Raises:
        ValidationFailed: it is not there, or is something else.
        FactorNotOffered: there is no such kind.
    """
    schema = registry.piece(kind).schema()
    given: dict[str, Any] = {name: form[name] for name in PROOFS if name in form}
    try:
        loaded: Proof = schema.load(given)
    except ValidationError as wrong:
        raise ValidationFailed(describe(wrong.messages)) from None
    return loaded


def kind_of(user_id: UUID, form: dict[str, Any]) -> str:
    """Return the kind of factor that a form names by `factor` or by `factor_id`.

    Raises:
        InvalidCode: it names none that this person has.
    """
    if "factor_id" not in form:
        return str(form["factor"])
    for row in credential_store.held(user_id):
        if row.id == form["factor_id"]:
            return row.kind
    raise InvalidCode


def count(user_id: UUID, visitor: Visitor) -> lockout.Guess:
    """Count a guess before it is evaluated, and commit the count.

    Raises:
        TooManyAttempts: too many were wrong; this one is not evaluated.
    """
    device = devices.recognise(user_id, visitor)
    return lockout.count(user_id, device.id if device else None, visitor, lockout.FACTOR)


@contextmanager
def evaluated(guess: lockout.Guess, visitor: Visitor, at_login: bool = False) -> Iterator[None]:
    """Judge the guess by what happens inside: right, wrong, or never evaluated and given back.

    A wrong one `at_login`, of an unknown device, is told to the owner: the first step was right.

    Raises:
        FactorWrong: it was wrong.
    """
    try:
        yield
        lockout.settle(guess)
    except CodeUsed:
        lockout.withdraw(guess)
        raise
    except InvalidCode as wrong:
        refusal = FactorWrong(user_id=guess.user_id)
        refusal.aftermath = partial(_note, wrong, guess, visitor, at_login)
        raise refusal from None
    except BaseException:
        lockout.withdraw(guess)
        raise


def prove(user_id: UUID, form: dict[str, Any], asked: dict[str, Any], visitor: Visitor) -> Proved:
    """Return which factor a form proves, in a write transaction; its rows are locked.

    `asked` is what the pieces kept when they asked, by kind.

    Raises:
        InvalidCode: none.
        CodeUsed: the proof was right, but was used before; or there is nothing it could prove.
    """
    kind = kind_of(user_id, form)
    held = credential_store.locked(user_id, kind)
    mine = [row for row in held if form.get("factor_id", row.id) == row.id]
    if not mine:
        raise CodeUsed
    proof = proof_of(kind, form)
    proved = registry.piece(kind).verify(mine, proof, asked.get(kind, {}), visitor)
    proved.credential.last_used_at = clock.now()
    return proved


def _note(wrong: InvalidCode, guess: lockout.Guess, visitor: Visitor, at_login: bool) -> None:
    """Keep the guess counted, and record what the kind of factor has to say about it."""
    notifications.after_a_wrong_guess(guess, visitor)
    if at_login and guess.user_id and not guess.device_id:
        notifications.of_attempts(guess.user_id, visitor)
    if wrong.event:
        about = {"user_id": guess.user_id} | wrong.about
        record(wrong.event, visitor, **about, code=wrong.code)
