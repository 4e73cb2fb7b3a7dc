"""The in-memory token state of a worker: keys, revocations and verified tokens."""

import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from flask import current_app

from gatehouse.core import clock
from gatehouse.core.errors import ServiceUnavailable
from gatehouse.database.clock import ClockFollower
from gatehouse.tokens.feed import FeedPosition
from gatehouse.tokens.key_set import KeySet

LEEWAY = 5  # seconds that clocks may differ
MAX_STATE_AGE = 5.0  # seconds after which no token is accepted any more
CACHE_SIZE = 20_000  # tokens, about 1 kB each


@dataclass(frozen=True, slots=True)
class VersionChange:
    """The newest version of what a user or role may do; times are Unix seconds, or UTC."""

    version: int
    changed_at: int
    expires_at: datetime


@dataclass
class TokenState:
    """Token state of one worker, shared by its threads; each change is one atomic operation."""

    key_set: KeySet | None = None
    revoked: dict[str, datetime] = field(default_factory=dict)
    status_indexes: dict[int, datetime] = field(default_factory=dict)
    """Status list indexes of ended sessions, and when each may be dropped."""
    version: object = field(default_factory=object)
    """Replaced whenever an index is added: status lists of another version are outdated."""
    lists: dict[int, Any] = field(default_factory=dict)
    """The cached status lists, by number."""
    lists_lock: threading.Lock = field(default_factory=threading.Lock)
    clock: ClockFollower = field(default_factory=ClockFollower)
    feed: FeedPosition = field(default_factory=FeedPosition)
    changes: dict[str, dict[str, VersionChange]] = field(
        default_factory=lambda: {"user": {}, "role": {}}
    )
    """The changed users, by id, and the changed roles, by name: older tokens are outdated."""
    verified: OrderedDict[bytes, Any] = field(default_factory=OrderedDict)
    read_at: float | None = None
    synced_in_background: bool = False

    @property
    def age(self) -> float:
        """Seconds since keys and revocations were last read; infinite before the first read."""
        return float("inf") if self.read_at is None else clock.monotonic() - self.read_at

    def require_keys(self) -> KeySet:
        """Return the keys.

        Raises:
            ServiceUnavailable: they were last read more than 5 seconds ago.
        """
        if self.key_set is None or self.age > MAX_STATE_AGE:
            raise ServiceUnavailable("Sessions cannot be checked right now.")
        return self.key_set

    def add_revocation(
        self, session_id: str, status_index: int | None, expires_at: datetime
    ) -> None:
        """Add an ended session and its status list index."""
        self.revoked[session_id] = expires_at
        if status_index is not None and status_index not in self.status_indexes:
            self.status_indexes[status_index] = expires_at
            self.version = object()  # after the index: a list of this version must have it

    def add_change(self, kind: str, subject: str, change: VersionChange) -> None:
        """Add a change of a user or role, unless a newer one is known."""
        known = self.changes[kind].get(subject)
        if known is None or known.version < change.version:
            self.changes[kind][subject] = change


def cache_verified(verified: OrderedDict[bytes, object], fingerprint: bytes, token: object) -> None:
    """Cache a verified token; evict the oldest ones if the cache is full.

    Callers get the dict before they verify: a change of keys replaces it, and with it the token.
    """
    with suppress(KeyError):  # another thread has just evicted the last one
        while len(verified) >= CACHE_SIZE:
            verified.popitem(last=False)  # O(1) in an OrderedDict only
    verified[fingerprint] = token


def state() -> TokenState:
    """Return the token state of this worker."""
    return cast(TokenState, current_app.extensions["gatehouse.tokens"])
