"""The contract of password hashers, the plugins in `hashers/`."""

from dataclasses import dataclass
from typing import Protocol


class WrongPassword(Exception):
    """The secret does not match the stored hash, or the stored string is no valid hash."""


@dataclass(frozen=True)
class Costs:
    """Cost parameters of a hash; each hasher reads its own fields.

    The defaults are the project's choice for bcrypt and, for argon2id, the second row of the
    OWASP Password Storage Cheat Sheet.
    """

    bcrypt: int = 12  # binary logarithm of the rounds, 4 to 16
    argon2_memory: int = 19_456  # KiB
    argon2_passes: int = 2
    argon2_lanes: int = 1


class Hasher(Protocol):
    """Hashes and verifies secrets.

    A secret is the HMAC of a password under the pepper (`passwords.service`): 64 ASCII bytes, so
    that no limit of a hasher (72 bytes, NUL) is ever reached.
    """

    def identify(self, stored: str) -> bool:
        """Return whether the stored string has this hasher's format, at any cost."""
        ...

    def hash(self, secret: bytes) -> str:
        """Hash the secret with a fresh salt at the configured cost."""
        ...

    def dummy_hash(self) -> str:
        """Return a valid hash of no known secret at the configured cost, to be verified in vain."""
        ...

    def verify(self, stored: str, secret: bytes) -> None:
        """Return if the secret matches the stored hash.

        Raises:
            WrongPassword: it does not; or the stored string is foreign or malformed, or costs more
                than the hasher's limit, so that an imported hash cannot block a thread for minutes.
        """
        ...

    def needs_rehash(self, stored: str) -> bool:
        """Return whether the stored hash differs in format or cost from a new one."""
        ...


class HasherFactory(Protocol):
    """The `plugin` of a file in `hashers/`: creates its hasher."""

    def __call__(self, costs: Costs) -> Hasher:
        """Create the hasher for the given costs."""
        ...
