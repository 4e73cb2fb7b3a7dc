"""What a worker knows about tokens without asking anyone: keys, revocations, verified tokens."""

import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from flask import current_app

from gatehouse.core import clock
from gatehouse.core.errors import ServiceUnavailable
from gatehouse.tokens.keys import Ring

LEEWAY = 5  # seconds that clocks may differ
STALE = 5.0  # seconds after which what we know is not enough to let anyone in
CACHE_SIZE = 20_000  # tokens, about 1 kB each


@dataclass
class TokenState:
    """The memory of one worker. Threads share it; each step is one atomic dict operation."""

    ring: Ring | None = None
    revoked: dict[str, datetime] = field(default_factory=dict)
    places: dict[int, datetime] = field(default_factory=dict)
    """Of the ended sessions, in the status lists."""
    edition: object = field(default_factory=object)
    """Another one whenever a place was added: the lists that were made before are old."""
    lists: dict[int, Any] = field(default_factory=dict)
    """The status lists that were made last, by number."""
    making_lists: threading.Lock = field(default_factory=threading.Lock)
    newest_revocation: datetime | None = None
    verified: OrderedDict[bytes, Any] = field(default_factory=OrderedDict)
    read_at: float | None = None
    watched: bool = False

    @property
    def age(self) -> float:
        """Seconds since keys and revocations were last read; endless before the first time."""
        return float("inf") if self.read_at is None else clock.monotonic() - self.read_at

    def keys(self) -> Ring:
        """Return the ring.

        Raises:
            ServiceUnavailable: what we know is older than 5 seconds; nobody is waved through.
        """
        if self.ring is None or self.age > STALE:
            raise ServiceUnavailable("Whether a session still lives cannot be told right now.")
        return self.ring

    def end(self, session_id: str, position: int | None, forget_at: datetime) -> None:
        """Take up that a session has ended, and its place in the status lists."""
        self.revoked[session_id] = forget_at
        if position is not None and position not in self.places:
            self.places[position] = forget_at
            self.edition = object()  # after the place, so that no list of it lacks that


def remember(verified: OrderedDict[bytes, Any], fingerprint: bytes, token: Any) -> None:
    """Keep a verified token; the oldest makes room.

    Take the dict before verifying: what was verified with keys that are gone is forgotten with it.
    """
    with suppress(KeyError):  # another thread has made room at this very moment
        while len(verified) >= CACHE_SIZE:
            verified.popitem(last=False)  # of a plain dict, the oldest would have to be searched
    verified[fingerprint] = token


def state() -> TokenState:
    """Return the state of the running worker."""
    return cast(TokenState, current_app.extensions["gatehouse.tokens"])
