"""Password hashers that record their calls, and the database connections in use meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gatehouse.database.session import db
from gatehouse.passwords import service
from gatehouse.passwords.hasher import Hasher


@dataclass
class HasherCalls:
    """The calls of all hashers since the last `clear()`, in order."""

    verified: list[str] = field(default_factory=list)
    """The stored hashes that a password was compared with."""
    hashed: int = 0
    connections: list[int] = field(default_factory=list)
    """How many database connections were checked out at each call."""
    during_verify: Callable[[], object] | None = None
    """Run once, while the next password is verified."""

    def clear(self) -> None:
        """Forget the calls."""
        self.verified, self.hashed, self.connections = [], 0, []


class RecordingHasher:
    """A hasher that records its calls."""

    def __init__(self, hasher: Hasher, calls: HasherCalls) -> None:
        self._hasher, self._calls = hasher, calls
        self.identify = hasher.identify
        self.dummy_hash = hasher.dummy_hash
        self.needs_rehash = hasher.needs_rehash

    def hash(self, secret: bytes) -> str:
        """Record the call, and hash."""
        self._calls.hashed += 1
        self._record_connections()
        return self._hasher.hash(secret)

    def verify(self, stored: str, secret: bytes) -> None:
        """Record the call, run `during_verify`, and verify."""
        self._calls.verified.append(stored)
        self._record_connections()
        during_verify, self._calls.during_verify = self._calls.during_verify, None
        if during_verify:
            during_verify()
        self._hasher.verify(stored, secret)

    def _record_connections(self) -> None:
        self._calls.connections.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]


def record_hasher_calls(monkeypatch: pytest.MonkeyPatch) -> HasherCalls:
    """Record the calls of all hashers until the end of the test."""
    calls, load = HasherCalls(), service._load_hashers

    def load_recording(bcrypt_cost: int) -> dict[str, RecordingHasher]:
        return {name: RecordingHasher(hasher, calls) for name, hasher in load(bcrypt_cost).items()}

    monkeypatch.setattr(service, "_load_hashers", load_recording)
    return calls
