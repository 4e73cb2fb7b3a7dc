"""bcrypt, through Flask-Bcrypt: the default hasher."""

import re

from flask_bcrypt import Bcrypt

from gatehouse.passwords.hasher import Costs, HasherFactory, WrongPassword

FORMAT = re.compile(  # the last character of the salt carries two bits
    r"\$(?P<version>2[aby])\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
)
VERSION = "2b"
HIGHEST_COST = 16  # sixteen times the work of the default; above it a verification takes too long


class BcryptHasher:
    """Makes `$2b$` hashes and verifies `$2a$`, `$2b$` and `$2y$`."""

    def __init__(self, costs: Costs) -> None:
        self._cost = costs.bcrypt
        self._prefix = f"${VERSION}${costs.bcrypt:02}$"
        self._bcrypt = Bcrypt()  # without an app: its unkeyed prehash of long passwords stays off

    def understands(self, stored: str) -> bool:
        """Tell whether this is a bcrypt string in the modular crypt format."""
        return FORMAT.fullmatch(stored) is not None

    def hash(self, secret: bytes) -> str:
        """Hash the secret with a fresh 128-bit salt."""
        stored: bytes = self._bcrypt.generate_password_hash(secret, self._cost, VERSION)
        return stored.decode("ascii")

    def decoy(self) -> str:
        """Return a hash of nothing known, at the configured cost."""
        return f"{self._prefix}{'.' * 53}"

    def verify(self, stored: str, secret: bytes) -> None:
        """Return if the secret made the stored hash.

        Raises:
            WrongPassword: it did not, or the string is foreign, malformed or too costly.
        """
        form = FORMAT.fullmatch(stored)
        if form is None or int(form["cost"]) > HIGHEST_COST:
            raise WrongPassword
        try:
            matches = self._bcrypt.check_password_hash(stored, secret)
        except ValueError as error:  # the library's "Invalid salt": a cost below 4
            raise WrongPassword from error
        if not matches:
            raise WrongPassword

    def is_current(self, stored: str) -> bool:
        """Tell whether the hash is `$2b$` at the configured cost."""
        form = FORMAT.fullmatch(stored)
        return form is not None and form["version"] == VERSION and int(form["cost"]) == self._cost


piece: HasherFactory = BcryptHasher
