"""Randomness, ids, digests and sealed values: the one source of each.

Sealed values are AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; the place where the
value is kept is its associated data, so that a ciphertext moved to another row does not open.
"""

import base64
import hashlib
import hmac
import os
import secrets
import time
import uuid

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import config

NONCE_BYTES = 12


class SealBroken(Exception):
    """A sealed value was changed, moved, or made with a key that is no longer in the ring."""


def new_id() -> uuid.UUID:
    """Return a UUIDv7 (RFC 9562 section 5.7): 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    high = (milliseconds << 16) | 0x7000 | (noise >> 68)
    return uuid.UUID(int=(high << 64) | (0b10 << 62) | (noise & ((1 << 62) - 1)))


def token() -> str:
    """Return 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def random_base32(size: int) -> str:
    """Return that many random bytes in base32 (RFC 4648 section 6), without padding."""
    return base64.b32encode(os.urandom(size)).decode().rstrip("=")


def code(digits: int) -> str:
    """Return that many random decimal digits."""
    return str(secrets.randbelow(10**digits)).zfill(digits)


def chance() -> float:
    """Return a random number from 0 up to 1, in steps of a millionth."""
    return secrets.randbelow(1_000_000) / 1_000_000


def digest(value: str) -> str:
    """Return the SHA-256 of an unguessable value, as 64 hexadecimal characters."""
    return hashlib.sha256(value.encode()).hexdigest()


def keyed_digests(purpose: str, value: str) -> list[str]:
    """Return the HMAC-SHA-256 of a guessable value under every secret key, the active one first.

    Store the first; compare with any.
    """
    message = f"{purpose}\0{value}".encode()
    ring = config.settings().secret_keys
    return [hmac.digest(key, message, "sha256").hex() for key in ring.keys.values()]


def keyed_digest(purpose: str, value: str) -> str:
    """Return the HMAC-SHA-256 of a guessable value under the active secret key."""
    return keyed_digests(purpose, value)[0]


def equal(left: str, right: str) -> bool:
    """Compare two strings in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def seal(plain: bytes, place: str) -> bytes:
    """Encrypt a value for a place such as `challenges.data:<id>`: kid length, kid, nonce, box."""
    ring = config.settings().encryption_keys
    kid, nonce = ring.active.encode(), os.urandom(NONCE_BYTES)
    box = AESGCM(ring.keys[ring.active]).encrypt(nonce, plain, place.encode())
    return bytes([len(kid)]) + kid + nonce + box


def unseal(sealed: bytes, place: str) -> bytes:
    """Decrypt a value that was sealed for this place.

    Raises:
        SealBroken: it was not, or its key is gone.
    """
    kid = sealed_with(sealed)
    rest = sealed[1 + len(kid) :]
    key = config.settings().encryption_keys.keys.get(kid)
    if key is None:
        raise SealBroken(f"no encryption key named {kid!r}: put it back behind the active one")
    try:
        return AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError):
        raise SealBroken(f"the value at {place} does not open") from None


def sealed_with(sealed: bytes) -> str:
    """Return the name of the key that a value was sealed with."""
    return sealed[1 : 1 + sealed[0]].decode("ascii", "replace")
