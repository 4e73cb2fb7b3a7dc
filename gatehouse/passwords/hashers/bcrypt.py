"""bcrypt, through Flask-Bcrypt: the default hasher."""

import re

from flask_bcrypt import Bcrypt

from gatehouse.passwords.hasher import Costs, HasherFactory, WrongPassword

FORMAT = re.compile(  # the last character of the salt carries two bits
    r"\$(?P<version>2[aby])\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
)
VERSION = "2b"
MAX_COST = 16  # sixteen times the work of the default; a verification beyond takes too long


class BcryptHasher:
    """Creates `$2b$` hashes and verifies `$2a$`, `$2b$` and `$2y$`."""

    def __init__(self, costs: Costs) -> None:
        self._cost = costs.bcrypt
        self._prefix = f"${VERSION}${costs.bcrypt:02}$"
        self._bcrypt = Bcrypt()  # without an app: its unkeyed prehash of long passwords stays off

    def identify(self, stored: str) -> bool:
        """Return whether this is a bcrypt string in the modular crypt format."""
        return FORMAT.fullmatch(stored) is not None

    def hash(self, secret: bytes) -> str:
        """Hash the secret with a fresh 128-bit salt."""
        stored: bytes = self._bcrypt.generate_password_hash(secret, self._cost, VERSION)
        return stored.decode("ascii")

    def dummy_hash(self) -> str:
        """Return a valid hash of no known secret, at the configured cost."""
        return f"{self._prefix}{'.' * 53}"

    def verify(self, stored: str, secret: bytes) -> None:
        """Return if the secret matches the stored hash.

        Raises:
            WrongPassword: it does not, or the string is foreign, malformed or too costly.
        """
        found = FORMAT.fullmatch(stored)
        if found is None or int(found["cost"]) > MAX_COST:
            raise WrongPassword
        try:
            matches = self._bcrypt.check_password_hash(stored, secret)
        except ValueError as error:  # the library's "Invalid salt": a cost below 4
            raise WrongPassword from error
        if not matches:
            raise WrongPassword

    def needs_rehash(self, stored: str) -> bool:
        """Return whether the hash is not `$2b$` at the configured cost."""
        found = FORMAT.fullmatch(stored)
        return found is None or found["version"] != VERSION or int(found["cost"]) != self._cost


plugin: HasherFactory = BcryptHasher
