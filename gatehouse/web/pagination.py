"""Cursors of paginated lists: opaque to clients and signed."""

from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from gatehouse.core import crypto_labels
from gatehouse.core.errors import MalformedRequest
from gatehouse.core.signing import StrictSigner, secret_keys

INVALID_CURSOR = "The cursor is not valid for this list; start again without one."


def encode_cursor(purpose: str, last_id: UUID) -> str:
    """Return the cursor of the page that begins after this id."""
    return _serializer(purpose).dumps(str(last_id))


def decode_cursor(purpose: str, cursor: str) -> UUID:
    """Return the id after which the page begins.

    Raises:
        MalformedRequest: the cursor is forged, malformed or from another list.
    """
    try:
        return UUID(_serializer(purpose).loads(cursor))
    except BadData:
        raise MalformedRequest(INVALID_CURSOR) from None


def _serializer(purpose: str) -> URLSafeSerializer:
    salt = f"{crypto_labels.CURSOR_PREFIX}{purpose}"
    return URLSafeSerializer(secret_keys(), salt=salt, signer=StrictSigner)
