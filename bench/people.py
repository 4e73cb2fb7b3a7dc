"""People for the measurements, made by the service's own services, as its routes would."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from itertools import cycle, islice
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

import jwt

from app import create_app
from bench.raw import Recording, current
from config import Settings
from gatehouse.core import clock, crypto
from gatehouse.database.session import db, writing
from gatehouse.lockout import service as lockout
from gatehouse.login import service as login
from gatehouse.login.method import Proof
from gatehouse.passwords import service as passwords
from gatehouse.sessions import service as sessions
from gatehouse.tokens import service as tokens
from gatehouse.tokens import sync
from gatehouse.users import service as accounts
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import NOBODY, Visitor
from tests.statements import noted

PASSWORD = "seven green lanterns at the harbour"
COUNT = 1000
HERE = Visitor(address="10.0.0.1", user_agent="", request_id="bench")
"""Where all sessions begin, and go on."""


class People:
    """A thousand people with proven addresses, who share a password and have a session each."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.app = create_app(Settings.from_environment(environment))
        with self._at_work():
            self.ids = _settle()
            opened = [_open(user_id) for user_id in self.ids]
            self.claims = [_claims(tokens.access_token) for tokens in opened]
            self.devices = [tokens.device_token or "" for tokens in opened]

    def addresses(self) -> list[str]:
        """Return by what they log in."""
        return [_address(number).address for number in range(COUNT)]

    def logins(self) -> list[str]:
        """Return what each of them sends to log in, from the device of their session."""
        parts = zip(self.devices, self.new_logins(), strict=True)
        return [device + body for device, body in parts]

    def new_logins(self) -> list[str]:
        """Return the same from devices that nobody has seen."""
        who = self.addresses()
        return [json.dumps({"identifier": each, "password": PASSWORD}) for each in who]

    def access_tokens(self, count: int = COUNT) -> list[str]:
        """Return as many different access tokens, of each person in turn."""
        with self._at_work():
            return [_sign(claims) for claims in islice(cycle(self.claims), count)]

    def refresh_tokens(self, count: int) -> list[str]:
        """Return the refresh tokens of new sessions."""
        with self._at_work():
            return [_open(user_id).refresh_token for user_id in self.ids[:count]]

    def record_refresh(self) -> Recording:
        """Refresh once, and return what the service executes for that."""
        (token,) = self.refresh_tokens(1)
        with self._at_work(), noted(self.app) as sent:
            at = clock.now()
            child = sessions.refresh(token, HERE).refresh_token
            db.session.commit()
        statements = [(statement, dict(values)) for statement, values in sent]
        if not any("INTO audit_events" in statement for statement, _ in statements):
            raise RuntimeError("what a refresh executes was not recorded whole")
        return Recording(at, current(token), current(child), statements)

    def time_lockout(self, count: int) -> float:
        """Return the milliseconds that the lockout takes of a login with the right password."""
        visitor = Visitor(address="192.0.2.1", user_agent="", request_id="bench")
        with self._at_work():
            return median(_count_once(user_id, visitor) for user_id in self.ids[:count])

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Use the application; leave no connection open, for processes will be forked."""
        with self.app.app_context():
            sync.read()  # now, rather than amid what is recorded
            yield
            db.session.rollback()
            for engine in db.engines.values():
                engine.dispose()


def _settle() -> list[UUID]:
    hashed = passwords.hash_new(PASSWORD, NOBODY)
    with writing():
        users = [accounts.create(_address(number), {}) for number in range(COUNT)]
        for user in users:
            user.email_verified_at = clock.now()
            passwords.store(user.id, hashed)
    db.session.commit()
    return [user.id for user in users]


def _count_once(user_id: UUID, visitor: Visitor) -> float:
    began = perf_counter()
    lockout.succeeded(lockout.count(user_id, None, visitor))
    return 1000 * (perf_counter() - began)


def _address(number: int) -> Email:
    return Email(f"person{number}@example.com", f"person{number}@example.com")


def _open(user_id: UUID) -> sessions.Tokens:
    """Open a session as every login does, at the end of its funnel."""
    opened = login.finish(Proof(user_id, ("pwd",)), HERE)
    db.session.commit()
    if not isinstance(opened, sessions.Tokens):
        raise RuntimeError("nobody here has a second factor")
    return opened


def _claims(access_token: str) -> dict[str, Any]:
    claims = asdict(tokens.verify_access(access_token))
    del claims["exp"]
    told = jwt.decode(access_token, options={"verify_signature": False})
    return claims | {"status": told["status"]}


def _sign(claims: dict[str, Any]) -> str:
    """Return one more access token of a session."""
    own = claims | {"jti": str(crypto.new_id())}
    return tokens.sign_access(own.pop("sub"), own, clock.now() + timedelta(minutes=10))
