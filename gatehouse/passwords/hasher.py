"""The contract of a password hasher: what every file on the shelf `hashers/` provides."""

from dataclasses import dataclass
from typing import Protocol


class WrongPassword(Exception):
    """The secret does not belong to the stored hash, or the stored hash is not one."""


@dataclass(frozen=True)
class Costs:
    """What one hash may cost; each hasher reads its own fields.

    The defaults are the project's choice for bcrypt and, for argon2id, the second row of the
    OWASP Password Storage Cheat Sheet.
    """

    bcrypt: int = 12  # doublings, 4 to 16
    argon2_memory: int = 19_456  # KiB
    argon2_passes: int = 2
    argon2_lanes: int = 1


class Hasher(Protocol):
    """Hashes secrets one way and verifies them.

    A secret is what `passwords.service` makes of a password: 64 ASCII bytes, keyed with the
    pepper, so that no hasher's own limits (72 bytes, NUL) are ever reached.
    """

    def understands(self, stored: str) -> bool:
        """Tell whether the stored string has this hasher's format, whatever its cost."""
        ...

    def hash(self, secret: bytes) -> str:
        """Hash the secret with a fresh salt at the configured cost."""
        ...

    def decoy(self) -> str:
        """Return a current hash that no known secret made: verifying it fails at the full cost."""
        ...

    def verify(self, stored: str, secret: bytes) -> None:
        """Return if the secret made the stored hash.

        Raises:
            WrongPassword: it did not; or the stored string is foreign or malformed, or costs more
                than the hasher's cap, so that an imported hash cannot hold a thread for minutes.
        """
        ...

    def is_current(self, stored: str) -> bool:
        """Tell whether the stored hash has exactly the format and cost of a new one."""
        ...


class HasherFactory(Protocol):
    """What a file on the shelf exposes as `piece`: makes its hasher for the given costs."""

    def __call__(self, costs: Costs) -> Hasher:
        """Make the hasher."""
        ...
