"""Begins a ceremony and finds it again: a challenge that works once, for one purpose and one asker.

What the browser signs is the challenge's token itself: 32 random bytes, kept as a digest
(WebAuthn section 13.4.3).
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gatehouse.core import crypto
from gatehouse.mfa.webauthn.errors import PasskeyRefused
from gatehouse.mfa.webauthn.forms import Answer
from gatehouse.mfa.webauthn.options import LIFETIME
from gatehouse.mfa.webauthn.verification import client_data
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode

CREATE, SIGN_UP = "passkey_create", "passkey_sign_up"
SIGN_IN, SECOND_FACTOR = "passkey_sign_in", "passkey_second_factor"
"""The purposes, with those above: an answer to one ceremony is no answer to another."""


@dataclass(frozen=True)
class Ceremony:
    """What is done, and by whom: a session, a pending login, or whoever holds a token."""

    purpose: str
    holder: str


@dataclass(frozen=True)
class Answered:
    """A challenge that was answered, and is not used up yet."""

    id: UUID
    challenge: str
    data: dict[str, Any]


def begin(ceremony: Ceremony, data: dict[str, Any] | None = None) -> str:
    """Write a challenge in the current transaction and return it, as base64url."""
    made = one_time_codes.create(ceremony.purpose, ceremony.holder, data or {}, LIFETIME)
    return made.token


def find(ceremony: Ceremony, answer: Answer) -> Answered:
    """Return the challenge that an answer names; each answer is counted, and committed, first.

    Raises:
        MalformedCredential: the answer names none.
        PasskeyRefused: there is no such challenge, or it is of another ceremony.
    """
    challenge = client_data(answer).challenge
    try:
        row = one_time_codes.guess_with_token(ceremony.purpose, challenge)
    except InvalidCode:
        raise PasskeyRefused(why="challenge unknown, expired or used") from None
    if row.lookup not in crypto.keyed_digests(ceremony.purpose, ceremony.holder):
        raise PasskeyRefused(why="challenge of somebody else")
    return Answered(row.id, challenge, one_time_codes.open_data(row))


def claim(ceremony: Ceremony, answer: Answer, challenge: str) -> None:
    """Use up the challenge that was asked, in the current transaction, if the answer names it.

    For those who count guesses themselves.

    Raises:
        MalformedCredential: the answer names none.
        PasskeyRefused: it names another, or it is used, or too old.
    """
    named = client_data(answer).challenge
    row = one_time_codes.by_token(ceremony.purpose, named) if named == challenge else None
    if row is None or row.lookup not in crypto.keyed_digests(ceremony.purpose, ceremony.holder):
        raise PasskeyRefused(why="challenge unknown, expired or used")
    use_up(Answered(row.id, challenge, {}))


def use_up(answered: Answered) -> None:
    """Use a challenge up, in the current transaction.

    Raises:
        PasskeyRefused: somebody else did.
    """
    try:
        one_time_codes.consume(answered.id)
    except InvalidCode:
        raise PasskeyRefused(why="challenge used meanwhile") from None
