"""Cursors of lists: opaque, and nobody can make one up."""

import base64
import binascii
from uuid import UUID

from gatehouse.core import crypto
from gatehouse.core.errors import MalformedRequest

MAC_CHARACTERS = 32  # of the hexadecimal HMAC: 128 bits


def seal(purpose: str, position: UUID) -> str:
    """Return a cursor that continues a list after this id."""
    mac = crypto.keyed_digest(f"cursor:{purpose}", str(position))[:MAC_CHARACTERS]
    return base64.urlsafe_b64encode(position.bytes + bytes.fromhex(mac)).decode().rstrip("=")


def unseal(purpose: str, cursor: str) -> UUID:
    """Return the id after which the list goes on.

    Raises:
        MalformedRequest: this service did not make the cursor, or made it for another list.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = UUID(bytes=raw[:16])
    except (binascii.Error, ValueError):
        raise MalformedRequest("The cursor is not one of ours.") from None
    valid = crypto.keyed_digests(f"cursor:{purpose}", str(position))
    if raw[16:].hex() not in [mac[:MAC_CHARACTERS] for mac in valid]:
        raise MalformedRequest("The cursor is not one of ours.")
    return position
