"""The text of an API key: a prefix, its id, 256 random bits, and a checksum.

`ghk_<id>_<secret><checksum>`, each part in base62. Secret scanners recognise the prefix and verify
the checksum (CRC-32) offline, so that they report no other string.
"""

import zlib
from uuid import UUID

from gatehouse.core import crypto
from gatehouse.tokens.specs import API_KEY_PREFIX

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 22, 43, 6
LENGTH = len(API_KEY_PREFIX) + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH


def create_key(key_id: UUID) -> str:
    """Return a new API key with this id."""
    secret = _encode(crypto.random_number(256), SECRET_LENGTH)
    start = f"{API_KEY_PREFIX}{_encode(key_id.int, ID_LENGTH)}_{secret}"
    return start + _checksum(start)


def has_valid_checksum(key: str) -> bool:
    """Return whether a text has the form of an API key, without typing errors."""
    start, checksum = key[:-CHECKSUM_LENGTH], key[-CHECKSUM_LENGTH:]
    return len(key) == LENGTH and key.isascii() and _checksum(start) == checksum


def _checksum(start: str) -> str:
    return _encode(zlib.crc32(start.encode()), CHECKSUM_LENGTH)


def _encode(number: int, length: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits.rjust(length, ALPHABET[0])
