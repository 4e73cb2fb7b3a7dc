"""Status lists and access tokens, read by hand."""

from __future__ import annotations

import re
import zlib
from typing import Any

from werkzeug.test import TestResponse

from tests.tokens.forgery import opened, read

OURS = "http://localhost:8000"
LIST = "/tokens/status/0"
SOME = re.compile(rb"[^\0]")
"""A byte with a bit that is 1; nearly all have none."""


def place(tokens: dict[str, Any]) -> dict[str, Any]:
    """Return where the access token of a TokenAnswer says that its bit is."""
    found: dict[str, Any] = read(tokens["access_token"])[1]["status"]["status_list"]
    return found


def bits(lst: str) -> tuple[set[int], int]:
    """Return the indexes of the bits that are 1 in a `lst`, and how many there are in all."""
    packed = zlib.decompress(opened(lst))
    marked = ((found.start(), found[0][0]) for found in SOME.finditer(packed))
    ones = {8 * n + bit for n, byte in marked for bit in range(8) if byte >> bit & 1}
    return ones, 8 * len(packed)


def revoked(answer: TestResponse) -> set[int]:
    """Return the places that are revoked in a list that was answered."""
    assert answer.status_code == 200, answer.text
    return bits(read(answer.text)[1]["status_list"]["lst"])[0]
