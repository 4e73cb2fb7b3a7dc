"""Random values, ids, digests and encryption for the whole service.

Encryption is AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. The column and row of a
value are its associated data, so that a ciphertext moved to another row cannot be decrypted.
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

NONCE_SIZE = 12


class DecryptionFailed(Exception):
    """A ciphertext was changed or moved, or its encryption key is no longer configured."""


def new_id() -> uuid.UUID:
    """Return a UUIDv7 (RFC 9562 section 5.7): 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    high = (milliseconds << 16) | 0x7000 | (random >> 68)
    return uuid.UUID(int=(high << 64) | (0b10 << 62) | (random & ((1 << 62) - 1)))


def random_token() -> str:
    """Return 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def random_bytes(size: int) -> bytes:
    """Return `size` random bytes."""
    return os.urandom(size)


def random_number(bits: int) -> int:
    """Return a random number of so many bits."""
    return secrets.randbits(bits)


def random_base32(size: int) -> str:
    """Return `size` random bytes in base32 (RFC 4648 section 6), without padding."""
    return base64.b32encode(os.urandom(size)).decode().rstrip("=")


def random_digits(length: int) -> str:
    """Return `length` random decimal digits."""
    return str(secrets.randbelow(10**length)).zfill(length)


def random_fraction() -> float:
    """Return a random number from 0 (inclusive) to 1 (exclusive), in steps of a millionth."""
    return secrets.randbelow(1_000_000) / 1_000_000


def digest(value: str) -> str:
    """Return the SHA-256 of a high-entropy value as 64 hexadecimal characters."""
    return hashlib.sha256(value.encode()).hexdigest()


def keyed_digests(purpose: str, value: str) -> list[str]:
    """Return the HMAC-SHA-256 of a low-entropy value under every secret key, active first.

    Store the first; compare with any of them.
    """
    message = f"{purpose}\0{value}".encode()
    keyring = config.settings().secret_keys
    return [hmac.digest(key, message, "sha256").hex() for key in keyring.keys.values()]


def keyed_digest(purpose: str, value: str) -> str:
    """Return the HMAC-SHA-256 of a low-entropy value under the active secret key."""
    return keyed_digests(purpose, value)[0]


def constant_time_equal(left: str, right: str) -> bool:
    """Compare two strings in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def encrypt(plaintext: bytes, associated_data: str) -> bytes:
    """Encrypt a value; the result is key id length, key id, nonce, ciphertext and tag.

    `associated_data` names column and row, such as `challenges.data:<id>`.
    """
    keyring = config.settings().encryption_keys
    key_id, nonce = keyring.active.encode(), os.urandom(NONCE_SIZE)
    cipher = AESGCM(keyring.keys[keyring.active])
    encrypted = cipher.encrypt(nonce, plaintext, associated_data.encode())
    return bytes([len(key_id)]) + key_id + nonce + encrypted


def decrypt(ciphertext: bytes, associated_data: str) -> bytes:
    """Decrypt a value that was encrypted with this associated data.

    Raises:
        DecryptionFailed: it was changed or moved, or its key is not configured.
    """
    key_id = key_id_of(ciphertext)
    rest = ciphertext[1 + len(key_id) :]
    key = config.settings().encryption_keys.keys.get(key_id)
    if key is None:
        raise DecryptionFailed(
            f"no encryption key named {key_id!r}: put it back behind the active one"
        )
    try:
        return AESGCM(key).decrypt(rest[:NONCE_SIZE], rest[NONCE_SIZE:], associated_data.encode())
    except (InvalidTag, ValueError):
        raise DecryptionFailed(f"the value of {associated_data} cannot be decrypted") from None


def key_id_of(ciphertext: bytes) -> str:
    """Return the id of the key that a value was encrypted with."""
    return ciphertext[1 : 1 + ciphertext[0]].decode("ascii", "replace")
