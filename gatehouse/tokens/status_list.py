"""Token Status Lists, which publish revocations to other services.

draft-ietf-oauth-status-list, as a signed JWT. A list has one bit for each index: 1 while access
tokens of an ended session could still be valid. It is built from memory on request, and cached
until a session ends or half of its lifetime has passed.
"""

import base64
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import jwt

import config
from gatehouse.core import clock, crypto
from gatehouse.tokens import sync
from gatehouse.tokens.claims import LIST_SIZE
from gatehouse.tokens.key_set import Key
from gatehouse.tokens.worker_state import TokenState

LIFETIME = 120  # seconds until a list expires
TTL = 30  # seconds for which clients may cache a list; it is valid for at least LIFETIME / 2
REBUILD_INTERVAL = 0.25  # seconds between two builds, however many sessions end
MAX_CACHED_LISTS = 64  # lists; each has at most 180 kB
MEDIA_TYPE = "application/statuslist+jwt"


@dataclass(frozen=True)
class StatusList:
    """A signed list, and the state that it was built from."""

    token: str
    etag: str
    kid: str
    version: object
    built_at: float


def build_claim(status_index: int | None) -> dict[str, object]:
    """Return the `status` claim, which refers an access token to its bit (section 6.2)."""
    if status_index is None:  # the session is older than the status lists
        return {}
    number, idx = divmod(status_index, LIST_SIZE)
    return {"status": {"status_list": {"idx": idx, "uri": _list_uri(number)}}}


def get_status_list(number: int) -> StatusList:
    """Return a list as this worker knows it; a list without sessions has only zero bits.

    Raises:
        ServiceUnavailable: keys and revocations were last read more than 5 seconds ago.
    """
    tokens = sync.current_state()
    key = tokens.require_keys().active
    with tokens.lists_lock:
        cached = tokens.lists.get(number)
        if cached is None or not _is_current(cached, tokens, key):
            cached = build_status_list(number, _list_uri(number), tokens, key)
            _cache_list(number, cached, tokens.lists)
    return cached


def build_status_list(number: int, uri: str, tokens: TokenState, key: Key) -> StatusList:
    """Build and sign a list from the state of this worker (section 5.1)."""
    version, built_at = tokens.version, clock.monotonic()  # read first: later changes are newer
    first = number * LIST_SIZE
    indexes = [
        index - first for index in list(tokens.status_indexes) if index // LIST_SIZE == number
    ]
    now = clock.unix_time()
    claims = {
        "sub": uri,
        "iat": now,
        "exp": now + LIFETIME,
        "ttl": TTL,
        "status_list": {"bits": 1, "lst": compress_indexes(indexes)},
    }
    headers = {"typ": "statuslist+jwt", "kid": key.kid}
    token = jwt.encode(claims, key.private, algorithm=key.algorithm, headers=headers)
    return StatusList(token, crypto.digest(token), key.kid, version, built_at)


def compress_indexes(indexes: Iterable[int]) -> str:
    """Return the `lst` in which the bits at these indexes are 1 (sections 4.1 and 4.2)."""
    bits = bytearray(LIST_SIZE // 8)
    for index in indexes:
        bits[index >> 3] |= 1 << (index & 7)
    # As small as with the highest level, which the draft recommends, and 100 times as fast.
    compressor = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    compressed = compressor.compress(bits) + compressor.flush()
    return base64.urlsafe_b64encode(compressed).rstrip(b"=").decode()


def _list_uri(number: int) -> str:
    return f"{config.settings().public_url}/tokens/status/{number}"


def _is_current(cached: StatusList, tokens: TokenState, key: Key) -> bool:
    age = clock.monotonic() - cached.built_at
    unchanged = cached.version is tokens.version or age < REBUILD_INTERVAL
    return cached.kid == key.kid and unchanged and age < LIFETIME / 2


def _cache_list(number: int, built: StatusList, lists: dict[int, StatusList]) -> None:
    """Cache a list; evict the oldest one if the cache is full."""
    lists.pop(number, None)
    if len(lists) >= MAX_CACHED_LISTS:
        del lists[next(iter(lists))]
    lists[number] = built
