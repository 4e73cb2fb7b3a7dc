"""Entity tags: a change names the version that its author has seen (RFC 9110 section 13.1.1)."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from flask import request

from gatehouse.core import clock
from gatehouse.core.errors import PreconditionFailed
from gatehouse.database.session import add_check_before_writes


def compute_etag(content: object) -> str:
    """Return the strong validator of a content (RFC 9110 section 8.8.3), without quotes."""
    text = json.dumps(content, sort_keys=True, default=clock.format_rfc3339)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def with_etag(content: Any) -> tuple[Any, dict[str, str]]:
    """Return a content, and the `ETag` of this version as headers of the response."""
    return content, {"ETag": f'"{compute_etag(content)}"'}


def read_if_match() -> frozenset[str] | None:
    """Return the versions in `If-Match`; None if every version is accepted.

    It is not sent, or is `*`. Weak validators match none.
    """
    sent = request.if_match
    return None if sent.star_tag or "If-Match" not in request.headers else frozenset(sent)


def require_version(read: Callable[[], object]) -> None:
    """Check `If-Match` when the write of this request begins; `read` returns the current content.

    What changes the content must hold the lock that the write begins with.

    Raises:
        PreconditionFailed: at the write, if the content is of another version.
    """
    expected = read_if_match()

    def check() -> None:
        if expected is not None and compute_etag(read()) not in expected:
            raise PreconditionFailed

    add_check_before_writes(check)
