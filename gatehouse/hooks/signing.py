"""Signatures of Standard Webhooks (https://www.standardwebhooks.com, version 1): HMAC-SHA-256."""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from gatehouse.core import clock, crypto

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
SECRET_SIZE = 32


@dataclass(frozen=True)
class SignedMessage:
    """What is signed: the id of the message, the same in each attempt to send it, and its body."""

    id: str
    body: bytes


def create_secret() -> str:
    """Return a new secret: `whsec_` and 256 random bits in base64."""
    return SECRET_PREFIX + base64.b64encode(crypto.random_bytes(SECRET_SIZE)).decode()


def build_headers(message: SignedMessage, secrets: Sequence[str]) -> dict[str, str]:
    """Return the headers of a message that is sent now, with a signature by each secret.

    A receiver accepts the message if one signature is right, so that secrets can be replaced.
    """
    timestamp = int(clock.now().timestamp())
    return {
        "Content-Type": "application/json",
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(message, timestamp, secret) for secret in secrets),
    }


def sign(message: SignedMessage, timestamp: int, secret: str) -> str:
    """Return the signature of a message at a time (Unix seconds), such as `v1,Zm9v`."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message.id}.{timestamp}.".encode() + message.body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
