"""Users for the measurements, created by calling the services, as the routes do."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, islice
from statistics import median
from time import perf_counter
from uuid import UUID

import jwt

from app import create_app
from bench.raw import Recording, decode_refresh_token
from config import Settings
from gatehouse.core import clock, crypto
from gatehouse.database.session import db, write_transaction
from gatehouse.lockout import service as lockout
from gatehouse.login import service as login
from gatehouse.login.method import AuthenticationResult, LoginAttempt
from gatehouse.passwords import service as passwords
from gatehouse.sessions.refresh import refresh
from gatehouse.sessions.token_pair import TokenPair
from gatehouse.tokens import service as tokens
from gatehouse.tokens import specs, sync
from gatehouse.tokens.specs import SessionClaims
from gatehouse.users import service as accounts
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import NO_REQUEST, RequestContext
from tests.statements import record_statements

PASSWORD = "seven green lanterns at the harbour"
COUNT = 1000
CONTEXT = RequestContext(ip_address="10.0.0.1", user_agent="", request_id="bench")
"""Request context of all sessions: the network in which they begin and are refreshed."""


class Users:
    """A thousand users with verified e-mail addresses, the same password and a session each."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.app = create_app(Settings.from_environment(environment))
        with self._app_context():
            self.ids = _create_users()
            opened = [_open_session(user_id) for user_id in self.ids]
            self.claims = [_read_claims(tokens.access_token) for tokens in opened]
            self.devices = [tokens.device_token or "" for tokens in opened]

    def emails(self) -> list[str]:
        """Return the identifiers of the users."""
        return [_email(number).as_written for number in range(COUNT)]

    def logins(self) -> list[str]:
        """Return the login request of each user: device token and JSON body (see `load.Load`)."""
        parts = zip(self.devices, self.logins_from_new_devices(), strict=True)
        return [device + body for device, body in parts]

    def logins_from_new_devices(self) -> list[str]:
        """Return the login requests without device tokens."""
        return [json.dumps({"identifier": each, "password": PASSWORD}) for each in self.emails()]

    def access_tokens(self, count: int = COUNT) -> list[str]:
        """Return that many different access tokens, of each user in turn."""
        with self._app_context():
            return [_sign(*claims) for claims in islice(cycle(self.claims), count)]

    def refresh_tokens(self, count: int) -> list[str]:
        """Return the refresh tokens of new sessions."""
        with self._app_context():
            return [_open_session(user_id).refresh_token for user_id in self.ids[:count]]

    def record_refresh(self) -> Recording:
        """Refresh once, and return the SQL that the service executes."""
        (token,) = self.refresh_tokens(1)
        with self._app_context(), record_statements(self.app) as sent:
            at = clock.now()
            child = refresh(tokens.verify_refresh(token), CONTEXT).refresh_token
            db.session.commit()
        statements = [(statement, dict(values)) for statement, values in sent]
        if not any("INTO audit_events" in statement for statement, _ in statements):
            raise RuntimeError("the statements of a refresh were not all recorded")
        return Recording(at, decode_refresh_token(token), decode_refresh_token(child), statements)

    def time_lockout(self, count: int) -> float:
        """Return the median milliseconds of the lockout in a login with the correct password."""
        context = RequestContext(ip_address="192.0.2.1", user_agent="", request_id="bench")
        with self._app_context():
            return median(_time_attempt(user_id, context) for user_id in self.ids[:count])

    @contextmanager
    def _app_context(self) -> Iterator[None]:
        """Enter the application context; close all connections after it, before processes fork."""
        with self.app.app_context():
            sync.refresh()  # now, and not while statements are recorded
            yield
            db.session.rollback()
            for engine in db.engines.values():
                engine.dispose()


def _create_users() -> list[UUID]:
    hashed = passwords.hash_password(PASSWORD, NO_REQUEST)
    with write_transaction():
        users = [accounts.create_user(_email(number), {}) for number in range(COUNT)]
        for user in users:
            user.email_verified_at = clock.now()
            passwords.store_password_hash(user.id, hashed)
    db.session.commit()
    return [user.id for user in users]


def _time_attempt(user_id: UUID, context: RequestContext) -> float:
    began = perf_counter()
    lockout.reset_counters(lockout.count_attempt(user_id, None, context))
    return 1000 * (perf_counter() - began)


def _email(number: int) -> Email:
    return Email(f"person{number}@example.com", f"person{number}@example.com")


def _open_session(user_id: UUID) -> TokenPair:
    """Open a session like a login, after its first factor was verified."""
    attempt = LoginAttempt(None, CONTEXT)
    attempt.accept(AuthenticationResult(user_id, ("pwd",)))
    attempt = login.assess_risk(attempt)
    with write_transaction():
        opened = login.complete(attempt).result
    db.session.commit()
    if not isinstance(opened, TokenPair):
        raise RuntimeError("users of the benchmark must not have a second factor")
    return opened


def _read_claims(access_token: str) -> tuple[str, SessionClaims]:
    """Return the user id and the session of an access token."""
    token = tokens.verify_access(access_token)
    payload = jwt.decode(access_token, options={"verify_signature": False})
    index = payload["status"]["status_list"]["idx"]
    authentication = (token.auth_time, token.amr, token.acr, token.roles)
    return token.sub, SessionClaims(token.sid, token.jti, payload["iat"], *authentication, index)


def _sign(user_id: str, claims: SessionClaims) -> str:
    """Return one more access token of a session."""
    own = replace(claims, jti=str(crypto.new_id()), issued_at=clock.unix_time())
    return tokens.issue(specs.access_token("", timedelta(minutes=10)), user_id, own)
