"""Identifier and password."""

from typing import Any

from marshmallow import Schema

from gatehouse.accounts import service as accounts
from gatehouse.foundation.database import release
from gatehouse.foundation.fields import Text
from gatehouse.foundation.visitor import Visitor
from gatehouse.login.method import LoginForm, Proof
from gatehouse.passwords import service as passwords
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.passwords.hasher import WrongPassword


class PasswordLogin(LoginForm):
    """An identifier (e-mail address, username or phone number) and a password."""

    identifier = Text(254, required=True, metadata={"example": "ann@example.com"})
    password = Text(1024, required=True, one_line=False, load_only=True)


class PasswordMethod:
    """Looks the account up, lets the database go, then hashes: known or not, always once."""

    schema: type[Schema] = PasswordLogin

    def prove(self, form: dict[str, Any], visitor: Visitor) -> Proof:
        """Return whose password it is.

        Raises:
            InvalidCredentials: nobody's, or not this one's; which of the two is never told.
        """
        user = accounts.find(form["identifier"])
        stored = passwords.of(user.id) if user else None
        release()
        try:
            fresh = passwords.verify(stored, form["password"], visitor)
        except WrongPassword:
            raise InvalidCredentials(user_id=user.id if user else None) from None
        if user is None or stored is None:  # the decoy has no password
            raise InvalidCredentials
        return Proof(user.id, ("pwd",), password=stored, fresh=fresh)


piece = PasswordMethod()
