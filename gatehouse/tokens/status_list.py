"""Revocations for others: the places of sessions in Token Status Lists, and the signed lists.

draft-ietf-oauth-status-list, in the form of a JWT. A list has a bit for each of its places: 1 while
access tokens of an ended session could still live. It is made from memory when somebody asks for
it, and kept until a session ends or half of its life is over.
"""

import base64
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jwt

import config
from gatehouse.core import clock, crypto
from gatehouse.tokens import sync
from gatehouse.tokens.claims import PLACES
from gatehouse.tokens.keys import Key
from gatehouse.tokens.worker_state import TokenState

LIFETIME = 120  # seconds until a list is worth nothing
TTL = 30  # seconds for which others may keep one; less than a list's life when it leaves us
PAUSE = 0.25  # seconds for which a list stays as it is, however many sessions end
KEPT = 64  # lists; each has at most 180 kB
MEDIA_TYPE = "application/statuslist+jwt"


@dataclass(frozen=True)
class StatusList:
    """A signed list, and what it was made from."""

    token: str
    etag: str
    kid: str
    edition: object
    made_at: float


def claim(position: int | None) -> dict[str, Any]:
    """Return the claim that leads from an access token to its bit (section 6.2)."""
    if position is None:  # of a session that is older than the lists
        return {}
    number, idx = divmod(position, PLACES)
    return {"status": {"status_list": {"idx": idx, "uri": _uri(number)}}}


def published(number: int) -> StatusList:
    """Return a list as this worker knows it; one without sessions has no revocations either.

    Raises:
        ServiceUnavailable: what we know is older than 5 seconds.
    """
    tokens = sync.up_to_date()
    key = tokens.keys().active
    with tokens.making_lists:
        kept = tokens.lists.get(number)
        if kept is None or not _is_current(kept, tokens, key):
            kept = make(number, _uri(number), tokens, key)
            _keep(number, kept, tokens.lists)
    return kept


def make(number: int, uri: str, tokens: TokenState, key: Key) -> StatusList:
    """Return a list that says what a worker knows now (section 5.1)."""
    edition, made_at = tokens.edition, clock.monotonic()  # first: what ends meanwhile is newer
    first = number * PLACES
    places = [place - first for place in list(tokens.places) if place // PLACES == number]
    now = clock.seconds()
    claims = {
        "sub": uri,
        "iat": now,
        "exp": now + LIFETIME,
        "ttl": TTL,
        "status_list": {"bits": 1, "lst": compressed(places)},
    }
    headers = {"typ": "statuslist+jwt", "kid": key.kid}
    token = jwt.encode(claims, key.private, algorithm=key.algorithm, headers=headers)
    return StatusList(token, crypto.digest(token), key.kid, edition, made_at)


def compressed(places: Iterable[int]) -> str:
    """Return the `lst` of a list in which these places are revoked (sections 4.1 and 4.2)."""
    bits = bytearray(PLACES // 8)
    for place in places:
        bits[place >> 3] |= 1 << (place & 7)
    # As small as the highest level, which the draft recommends, and a hundred times as fast.
    packing = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    packed = packing.compress(bits) + packing.flush()
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _uri(number: int) -> str:
    return f"{config.settings().public_url}/tokens/status/{number}"


def _is_current(kept: StatusList, tokens: TokenState, key: Key) -> bool:
    age = clock.monotonic() - kept.made_at
    unchanged = kept.edition is tokens.edition or age < PAUSE
    return kept.kid == key.kid and unchanged and age < LIFETIME / 2


def _keep(number: int, made: StatusList, lists: dict[int, StatusList]) -> None:
    """Keep a list; the one that was made first makes room."""
    lists.pop(number, None)
    if len(lists) >= KEPT:
        del lists[next(iter(lists))]
    lists[number] = made
