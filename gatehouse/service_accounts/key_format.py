"""The text of an API key: `ghk_<id>_<secret><checksum>` (see `core.credential_format`)."""

from uuid import UUID

from gatehouse.core import credential_format
from gatehouse.core.credential_format import CHECKSUM_LENGTH, SECRET_LENGTH
from gatehouse.tokens.specs import API_KEY_PREFIX

ID_LENGTH = 22
LENGTH = len(API_KEY_PREFIX) + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH


def create_key(key_id: UUID) -> str:
    """Return a new API key with this id."""
    encoded_id = credential_format.encode_base62(key_id.int, ID_LENGTH)
    return credential_format.create_secret(f"{API_KEY_PREFIX}{encoded_id}_")


def has_valid_checksum(key: str) -> bool:
    """Return whether a text has the form of an API key, without typing errors."""
    return credential_format.has_valid_checksum(key, LENGTH)
