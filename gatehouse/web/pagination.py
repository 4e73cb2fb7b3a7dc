"""Cursors of paginated lists: opaque to clients and protected by an HMAC."""

import base64
import binascii
from uuid import UUID

from gatehouse.core import crypto, crypto_labels
from gatehouse.core.errors import MalformedRequest

INVALID_CURSOR = "The cursor is not valid for this list; start again without one."
MAC_CHARACTERS = 32  # of the hexadecimal HMAC: 128 bits


def encode_cursor(purpose: str, last_id: UUID) -> str:
    """Return the cursor of the page that begins after this id."""
    mac = crypto.keyed_digest(f"{crypto_labels.CURSOR_PREFIX}{purpose}", str(last_id))[
        :MAC_CHARACTERS
    ]
    return base64.urlsafe_b64encode(last_id.bytes + bytes.fromhex(mac)).decode().rstrip("=")


def decode_cursor(purpose: str, cursor: str) -> UUID:
    """Return the id after which the page begins.

    Raises:
        MalformedRequest: the cursor is forged, malformed or from another list.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = UUID(bytes=raw[:16])
    except (binascii.Error, ValueError):
        raise MalformedRequest(INVALID_CURSOR) from None
    valid = crypto.keyed_digests(f"{crypto_labels.CURSOR_PREFIX}{purpose}", str(position))
    if raw[16:].hex() not in [mac[:MAC_CHARACTERS] for mac in valid]:
        raise MalformedRequest(INVALID_CURSOR)
    return position
