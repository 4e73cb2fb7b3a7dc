"""A password that was set with a message is no more than access to that channel.

The table: which factors are offered after each first step, and the level that each one leads to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import pyotp
import pytest
from flask import Flask

from gatehouse.core import clock, crypto
from gatehouse.database.session import db, write_transaction
from gatehouse.mfa import credential_store, registry
from gatehouse.web.request_context import NO_REQUEST
from models import Credential, Password
from models import User as Account
from tests.client import Client, User
from tests.mail_links import read_mail, token_of
from tests.mfa import otp
from tests.rows import rows
from tests.sessions.token_responses import token_claims

WAYS = ("password", "link by e-mail", "code by SMS")
SET_VIA = {"the owner": None, "e-mail": "email", "SMS": "sms"}
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
TABLE = """
            | password             | link by e-mail       | code by SMS
no factor
  the owner | session              | session              | session
  e-mail    | session              | session              | session
  SMS       | session              | session              | session
sms
  the owner | sms aal2, codes aal2 | sms aal1, codes aal1 | codes aal1
  e-mail    | sms aal2, codes aal2 | sms aal1, codes aal1 | codes aal1
  SMS       | codes aal2           | sms aal1, codes aal1 | codes aal1
email
  the owner | email aal1, codes aal2 | codes aal1         | email aal1, codes aal1
  e-mail    | email aal1, codes aal2 | codes aal1         | email aal1, codes aal1
  SMS       | email aal1, codes aal2 | codes aal1         | email aal1, codes aal1
totp
  the owner | totp aal2, codes aal2 | totp aal1, codes aal1 | totp aal1, codes aal1
  e-mail    | totp aal2, codes aal2 | totp aal1, codes aal1 | totp aal1, codes aal1
  SMS       | totp aal2, codes aal2 | totp aal1, codes aal1 | totp aal1, codes aal1
totp sms
  the owner | totp aal2, sms aal2, codes aal2 | totp aal1, sms aal1, codes aal1 | totp aal1, codes aal1
  e-mail    | totp aal2, sms aal2, codes aal2 | totp aal1, sms aal1, codes aal1 | totp aal1, codes aal1
  SMS       | totp aal2, codes aal2           | totp aal1, sms aal1, codes aal1 | totp aal1, codes aal1
"""  # noqa: E501 - a table
"""By the factors, and by who or what set the password. `codes` are recovery codes."""


def parse_table() -> dict[str, dict[str, list[str]]]:
    """Return the rows of each set of factors."""
    found: dict[str, dict[str, list[str]]] = {}
    state = ""
    for line in TABLE.strip().splitlines()[1:]:
        name, *cells = (cell.strip() for cell in line.split("|"))
        state = state if cells else name
        rows_of_state = found.setdefault(state, {})
        if cells:
            rows_of_state[name] = cells
    return found


EXPECTED = parse_table()


@dataclass
class Person:
    """A user with a verified number and some factors."""

    app: Flask
    client: Client
    user: User
    id: UUID
    wait: Callable[..., None]
    phone: str = ""
    codes: list[str] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: count(100))

    def start(self, set_via: str | None) -> None:
        """Set how the password was set; use a new number, because SMS to one are limited."""
        self.wait(hours=2)
        self.phone = f"+4915112345{next(self.numbers)}"
        with self.app.app_context(), write_transaction():
            account = db.session.get_one(Account, self.id)
            account.phone, account.phone_verified_at = self.phone, clock.now()
            db.session.get_one(Password, self.id).set_via = set_via
            for row in credential_store.lock_confirmed(self.id, "sms"):
                credential_store.save_data(row, {"number": self.phone})
            db.session.commit()

    def enrol(self, kinds: list[str]) -> None:
        """Add confirmed factors, and recovery codes."""
        data = {"totp": {"secret": SECRET}, "sms": {"number": self.phone}, "email": {}}
        with self.app.app_context(), write_transaction():
            codes = registry.get_factor("recovery_codes").enrol(
                db.session.get_one(Account, self.id), (), NO_REQUEST
            )
            self.codes = list(codes.public["recovery_codes"])
            for kind in kinds:
                self._add_factor(kind, data[kind])
            if kinds:
                self._add_factor("recovery_codes", dict(codes.secret))
            db.session.commit()

    def _add_factor(self, kind: str, data: dict[str, Any]) -> None:
        row = Credential(id=crypto.new_id(), user_id=self.id, kind=kind, label=kind, counter=0)
        row.created_at = row.confirmed_at = clock.now()
        credential_store.save_data(row, data)
        db.session.add(row)

    def log_in(self, way: str) -> dict[str, Any]:
        """Send a correct first factor; return the response."""
        if way == "password":
            return self.client.log_in(self.user)
        identifier = {"phone": self.phone} if "SMS" in way else {"email": self.user.email}
        requested = self.client.post("/auth/login/link", identifier).json
        message = read_mail(self.client, *identifier.values())
        secret = {"code": message["code"]} if "SMS" in way else {"token": token_of(message["link"])}
        form = {"login_token": requested["login_token"], **secret}
        return self.client.read_tokens(self.client.post("/auth/login/link/verify", form))

    def complete(self, challenge: dict[str, Any], factor: dict[str, Any]) -> dict[str, Any]:
        """Complete a login with a factor; return its tokens."""
        kind = factor["kind"]
        if kind in otp.KINDS:
            otp.request_challenge(self.client, challenge, factor)
        code = self._code_of(kind)
        form = {"mfa_token": challenge["mfa_token"], "factor": kind, "code": code}
        return self.client.read_tokens(self.client.post("/auth/login/mfa", form))

    def _code_of(self, kind: str) -> str:
        if kind == "recovery_codes":
            return self.codes.pop()
        if kind == "totp":
            return pyotp.TOTP(SECRET).at(clock.now())
        to = self.phone if kind == "sms" else self.user.email
        return str(read_mail(self.client, to)["code"])


@pytest.fixture
def person(app: Flask, client: Client, make_user: Callable[..., User], wait: Any) -> Person:
    user = make_user(email="ada@example.com")
    return Person(app, client, user, rows(app, Account)[0].id, wait)


def outcomes(person: Person, way: str, set_via: str | None) -> str:
    """Return the cell of the table: `session`, or each offered factor with its level."""
    person.start(set_via)
    first = person.log_in(way)
    if first["status"] == "authenticated":
        return "session"
    found = []
    for factor in first["factors"]:
        person.start(set_via)
        tokens = person.complete(person.log_in(way), factor)
        claims = token_claims(tokens, "access_token")
        assert ("mfa" in claims["amr"]) == (claims["acr"] == "aal2")
        found.append(f"{factor['kind'].removeprefix('recovery_')} {claims['acr']}")
    assert ("next" in first) == (len(found) == 1), first
    return ", ".join(found)


@pytest.mark.requirement("MF-12")
@pytest.mark.settings(GATEHOUSE_FACTORS="totp,sms,email,recovery_codes")
@pytest.mark.parametrize("factors", EXPECTED)
def test_password_set_with_a_message_is_no_second_channel(person, factors):
    person.enrol([] if factors == "no factor" else factors.split())

    found = {
        name: [outcomes(person, way, set_via) for way in WAYS] for name, set_via in SET_VIA.items()
    }

    assert found == EXPECTED[factors]
