"""Cursors of paginated lists: opaque to clients and signed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer

from gatehouse.core import crypto_labels
from gatehouse.core.errors import MalformedRequest
from gatehouse.core.signing import StrictSigner, secret_keys
from gatehouse.database.pages import Position

INVALID_CURSOR = "The cursor is not valid for this list; start again without one."


def encode_cursor(purpose: str, last: Position | None) -> str | None:
    """Return the cursor of the page that begins after this position; None if there is none."""
    return _serializer(purpose).dumps([last.at.isoformat(), str(last.id)]) if last else None


def decode_cursor(purpose: str, cursor: str | None) -> Position | None:
    """Return the position after which the page begins; None for the first page.

    Raises:
        MalformedRequest: the cursor is forged, malformed or from another list.
    """
    if cursor is None:
        return None
    at, last_id = _load(purpose, cursor)
    return Position(datetime.fromisoformat(at).astimezone(UTC), UUID(last_id))


def select_page(
    purpose: str, names: Sequence[str], limit: int, cursor: str | None
) -> tuple[Sequence[str], str | None]:
    """Return a page of a sorted list of names, and the cursor of the next page.

    Raises:
        MalformedRequest: the cursor is forged, malformed or from another list.
    """
    last = _load(purpose, cursor) if cursor else ""
    rest = [name for name in names if name > last]
    page = rest[:limit]
    return page, _serializer(purpose).dumps(page[-1]) if len(rest) > limit else None


def _load(purpose: str, cursor: str) -> Any:
    try:
        return _serializer(purpose).loads(cursor)
    except BadData:
        raise MalformedRequest(INVALID_CURSOR) from None


def _serializer(purpose: str) -> URLSafeSerializer:
    salt = f"{crypto_labels.CURSOR_PREFIX}{purpose}"
    return URLSafeSerializer(secret_keys(), salt=salt, signer=StrictSigner)
