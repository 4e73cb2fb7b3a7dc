"""The text of generated credentials: base62, with a checksum at the end.

Secret scanners recognise the prefix and verify the checksum (CRC-32) offline, so that they report
no other string.
"""

import zlib

from gatehouse.core import crypto

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_LENGTH, CHECKSUM_LENGTH = 43, 6


def create_secret(start: str) -> str:
    """Return a text that begins with `start`, then 256 random bits and the checksum."""
    text = start + encode_base62(crypto.random_number(256), SECRET_LENGTH)
    return text + _checksum(text)


def has_valid_checksum(text: str, length: int) -> bool:
    """Return whether a text has this length and a checksum that fits, so no typing errors."""
    start, checksum = text[:-CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
    return len(text) == length and text.isascii() and _checksum(start) == checksum


def encode_base62(number: int, length: int) -> str:
    """Return a number in base62, filled up with zeros to this length."""
    digits = ""
    while number:
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits.rjust(length, ALPHABET[0])


def _checksum(start: str) -> str:
    return encode_base62(zlib.crc32(start.encode()), CHECKSUM_LENGTH)
