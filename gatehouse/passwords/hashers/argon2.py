"""Argon2id (RFC 9106), through argon2-cffi."""

import re

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gatehouse.passwords.hasher import Costs, HasherFactory, WrongPassword

FORMAT = re.compile(
    r"\$argon2(?:id|i|d)\$v=(?:16|19)"
    r"\$m=(?P<memory>[0-9]{1,10}),t=(?P<passes>[0-9]{1,10}),p=(?P<lanes>[0-9]{1,8})"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,172}"  # salt of 8 to 64 bytes, tag of 12 to 128
)
MAX_COSTS = {"memory": 131_072, "passes": 10, "lanes": 16}  # KiB, passes, lanes


class Argon2Hasher:
    """Creates Argon2id hashes and verifies the three Argon2 variants."""

    def __init__(self, costs: Costs) -> None:
        self._argon2 = PasswordHasher(
            memory_cost=costs.argon2_memory,
            time_cost=costs.argon2_passes,
            parallelism=costs.argon2_lanes,
        )

    def identify(self, stored: str) -> bool:
        """Return whether this is an Argon2 string in the PHC format."""
        return FORMAT.fullmatch(stored) is not None

    def hash(self, secret: bytes) -> str:
        """Hash the secret with a fresh 128-bit salt."""
        return self._argon2.hash(secret)

    def dummy_hash(self) -> str:
        """Return a valid hash of no known secret, with the configured parameters."""
        own = self._argon2
        costs = f"m={own.memory_cost},t={own.time_cost},p={own.parallelism}"
        return f"$argon2id$v=19${costs}${'A' * 22}${'A' * 43}"

    def verify(self, stored: str, secret: bytes) -> None:
        """Return if the secret matches the stored hash.

        Raises:
            WrongPassword: it does not, or the string is foreign, malformed or too costly.
        """
        found = FORMAT.fullmatch(stored)
        if found is None or any(int(found[name]) > limit for name, limit in MAX_COSTS.items()):
            raise WrongPassword
        try:
            self._argon2.verify(stored, secret)
        except (InvalidHashError, VerificationError) as error:
            raise WrongPassword from error

    def needs_rehash(self, stored: str) -> bool:
        """Return whether the hash is not Argon2id with exactly the configured parameters."""
        return not self.identify(stored) or self._argon2.check_needs_rehash(stored)


plugin: HasherFactory = Argon2Hasher
