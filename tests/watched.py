"""Password hashers that note what they do and whether a database connection was held meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gatehouse.database.session import db
from gatehouse.passwords import service
from gatehouse.passwords.hasher import Hasher


@dataclass
class Notes:
    """What all hashers did since the last `clear()`, in order."""

    verified: list[str] = field(default_factory=list)
    """The stored hashes that a password was compared with."""
    made: int = 0
    connections: list[int] = field(default_factory=list)
    """How many database connections were checked out at each hash."""
    meanwhile: Callable[[], object] | None = None
    """What happens, once, while the next password is verified."""

    def clear(self) -> None:
        """Forget everything."""
        self.verified, self.made, self.connections = [], 0, []


class WatchedHasher:
    """A hasher that takes notes."""

    def __init__(self, hasher: Hasher, notes: Notes) -> None:
        self._hasher, self._notes = hasher, notes
        self.understands = hasher.understands
        self.decoy = hasher.decoy
        self.is_current = hasher.is_current

    def hash(self, secret: bytes) -> str:
        """Note and hash."""
        self._notes.made += 1
        self._note_connections()
        return self._hasher.hash(secret)

    def verify(self, stored: str, secret: bytes) -> None:
        """Note, let happen what shall, and verify."""
        self._notes.verified.append(stored)
        self._note_connections()
        meanwhile, self._notes.meanwhile = self._notes.meanwhile, None
        if meanwhile:
            meanwhile()
        self._hasher.verify(stored, secret)

    def _note_connections(self) -> None:
        self._notes.connections.append(db.engine.pool.checkedout())  # type: ignore[attr-defined]


def watch(monkeypatch: pytest.MonkeyPatch) -> Notes:
    """Let all hashers take notes until the end of the test."""
    notes, real = Notes(), service._hashers

    def watched(bcrypt_cost: int) -> dict[str, WatchedHasher]:
        return {name: WatchedHasher(piece, notes) for name, piece in real(bcrypt_cost).items()}

    monkeypatch.setattr(service, "_hashers", watched)
    return notes
