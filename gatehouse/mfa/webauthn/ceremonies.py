"""WebAuthn challenges: each works once, for one ceremony and one subject.

A challenge is the token of a one-time code: 32 random bytes, stored as a digest (WebAuthn section
13.4.3).
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gatehouse.core import crypto, crypto_labels
from gatehouse.mfa.webauthn.errors import PasskeyRejected
from gatehouse.mfa.webauthn.forms import CredentialJson
from gatehouse.mfa.webauthn.options import LIFETIME
from gatehouse.mfa.webauthn.verification import extract_client_data
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode

CREATE, SIGN_UP = crypto_labels.PASSKEY_CREATION, crypto_labels.PASSKEY_SIGN_UP
SIGN_IN, SECOND_FACTOR = crypto_labels.PASSKEY_SIGN_IN, crypto_labels.PASSKEY_SECOND_FACTOR
"""Purposes, with those above: a challenge of one ceremony is not accepted in another."""


@dataclass(frozen=True)
class Ceremony:
    """The purpose of a challenge, and its subject: a session id, a user id or a secret token."""

    purpose: str
    subject: str


@dataclass(frozen=True)
class AnsweredChallenge:
    """A challenge that a credential refers to; not consumed yet."""

    id: UUID
    challenge: str
    data: dict[str, Any]


def create_challenge(ceremony: Ceremony, data: dict[str, object] | None = None) -> str:
    """Store a challenge in the current transaction and return it, as base64url."""
    secrets = one_time_codes.create(ceremony.purpose, ceremony.subject, data or {}, LIFETIME)
    return secrets.token


def find_challenge(ceremony: Ceremony, credential: CredentialJson) -> AnsweredChallenge:
    """Return the challenge that a credential answers; counts the attempt first, and commits it.

    Raises:
        MalformedCredential: the client data contains no challenge.
        PasskeyRejected: the challenge is unknown, or of another ceremony or subject.
    """
    challenge = extract_client_data(credential).challenge
    try:
        row = one_time_codes.attempt_with_token(ceremony.purpose, challenge)
    except InvalidCode:
        raise PasskeyRejected(reason="challenge unknown, expired or used") from None
    if row.subject_digest not in crypto.keyed_digests(ceremony.purpose, ceremony.subject):
        raise PasskeyRejected(reason="challenge of another session or login")
    return AnsweredChallenge(row.id, challenge, one_time_codes.decrypt_data(row))


def consume_expected(ceremony: Ceremony, credential: CredentialJson, challenge: str) -> None:
    """Consume the expected challenge, in the current transaction, if the credential answers it.

    Counts no attempt: the caller does.

    Raises:
        MalformedCredential: the client data contains no challenge.
        PasskeyRejected: it contains another one, or the challenge has expired or was used.
    """
    answered = extract_client_data(credential).challenge
    row = (
        one_time_codes.find_by_token(ceremony.purpose, challenge) if answered == challenge else None
    )
    if row is None or row.subject_digest not in crypto.keyed_digests(
        ceremony.purpose, ceremony.subject
    ):
        raise PasskeyRejected(reason="challenge unknown, expired or used")
    consume_challenge(AnsweredChallenge(row.id, challenge, {}))


def consume_challenge(answered: AnsweredChallenge) -> None:
    """Consume a challenge, in the current transaction.

    Raises:
        PasskeyRejected: it was consumed meanwhile.
    """
    try:
        one_time_codes.consume(answered.id)
    except InvalidCode:
        raise PasskeyRejected(reason="challenge used meanwhile") from None
