"""The signing keys as a worker has them in memory."""

from dataclasses import dataclass
from typing import Any

import config

NEXT, ACTIVE, RETIRED = "next", "active", "retired"
STAGES = (NEXT, ACTIVE)
"""Of these, each algorithm has a key."""
RS256 = "RS256"
"""The algorithm of ID tokens unless a client chose another one."""


@dataclass(frozen=True)
class Key:
    """A loaded key: all of them verify tokens, only the active ones sign."""

    kid: str
    algorithm: str
    stage: str
    private: Any
    public: object
    jwk: dict[str, object]


@dataclass(frozen=True)
class KeySet:
    """All keys that verify, by `kid`, and the kid and stage of each to detect changes."""

    keys: dict[str, Key]
    fingerprint: tuple[tuple[str, str], ...]

    @property
    def active(self) -> Key:
        """The key that signs our own tokens.

        It has another algorithm if another replica starts with another setting.
        """
        chosen = self._find_active(config.settings().signing_algorithm)
        return chosen or next(key for key in self.keys.values() if key.stage == ACTIVE)

    def active_for(self, algorithm: str) -> Key:
        """Return the key that signs by an algorithm; if there is none, that of our own tokens."""
        return self._find_active(algorithm) or self.active

    def _find_active(self, algorithm: str) -> Key | None:
        """Return the newest active key of an algorithm."""
        newest_first = reversed(self.keys.values())
        return next((key for key in newest_first if _signs_by(key, algorithm)), None)


def _signs_by(key: Key, algorithm: str) -> bool:
    return (key.stage, key.algorithm) == (ACTIVE, algorithm)
