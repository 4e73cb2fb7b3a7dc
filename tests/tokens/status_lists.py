"""Decode status lists, and the references to them in access tokens."""

from __future__ import annotations

import re
import zlib
from typing import Any

from werkzeug.test import TestResponse

from tests.tokens.forgery import decode_segment, decode_token

ISSUER = "http://localhost:8000"
LIST_PATH = "/tokens/status/0"
NONZERO_BYTE = re.compile(rb"[^\0]")


def status_reference(tokens: dict[str, Any]) -> dict[str, Any]:
    """Return index and URI of the status list entry of an access token."""
    claims = decode_token(tokens["access_token"])[1]
    reference: dict[str, Any] = claims["status"]["status_list"]
    return reference


def decode_list(lst: str) -> tuple[set[int], int]:
    """Return the indexes of the bits that are 1 in a `lst`, and the number of bits."""
    data = zlib.decompress(decode_segment(lst))
    nonzero = ((found.start(), found[0][0]) for found in NONZERO_BYTE.finditer(data))
    ones = {8 * n + bit for n, byte in nonzero for bit in range(8) if byte >> bit & 1}
    return ones, 8 * len(data)


def revoked_indexes(response: TestResponse) -> set[int]:
    """Return the indexes that are revoked in the list of a response."""
    assert response.status_code == 200, response.text
    return decode_list(decode_token(response.text)[1]["status_list"]["lst"])[0]
