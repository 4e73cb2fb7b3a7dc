"""What the authorization server costs, as ratios in one run: `make bench ARGS=oauth`.

The service runs in this process, on PostgreSQL. Codes and refresh tokens are compared with a plain
psycopg transaction that updates the same row and writes an audit event, introspection and userinfo
with a route that does nothing, client credentials with a bare signature, and all with a refresh of
our own API. Everything is measured in turn.
"""

import base64
import hashlib
import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask_migrate import upgrade

from app import create_app
from bench.bare import create_app as create_bare_app
from bench.environment import KEY_RING_SETTINGS, create_database
from bench.finding import Finding
from config import Settings
from gatehouse.core import crypto
from gatehouse.database.session import db
from gatehouse.tokens import keys, sync
from models import OAuthClient, OAuthClientSecret, OAuthResource
from tests.client import Client, User
from tests.oauth.conftest import add_row, client_columns
from tests.oauth.grants import create_code
from tests.oauth.relying_party import RelyingParty, secret_of
from tests.user_accounts import create_user

NAME = "oauth"
CALLS = 40
"""Of each kind in a round."""
API = "https://api.example.com"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]
UPDATE = "UPDATE oauth_grants SET last_used_at = now() WHERE id = %s RETURNING *"
RECORD = (
    "INSERT INTO audit_events (id, at, name, outcome, user_id, request_id, ip_address, user_agent,"
    " details) SELECT %s, now(), 'bench', 'success', user_id, 'bench', '', '', '{}'"
    " FROM oauth_grants WHERE id = %s"
)
REFERENCES = {
    "code to tokens": "raw transaction",
    "refresh of a client": "raw transaction",
    "introspection": "bare route",
    "userinfo": "bare route",
    "client credentials": "raw signature",
}
"""What each request is compared with, besides a refresh of our own API."""
OWN = "our refresh"
FAST = {
    "GATEHOUSE_ENV": "development",
    "GATEHOUSE_BCRYPT_COST": "4",
    "GATEHOUSE_RATE_LIMITS": "off",
}


@dataclass
class Measurement:
    """An application, its clients, and the milliseconds of each call."""

    app: Flask
    times: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with self.app.app_context():
            upgrade()
            keys.ensure_keys()
            db.session.commit()
            url = db.engine.url.render_as_string(hide_password=False)
        sync.start_sync(self.app)
        self.connection = psycopg.connect(url.replace("+psycopg", ""))
        self.bare = create_bare_app().test_client()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.client = Client(self.app.test_client)
        self.person = create_user(self.app, User("measured@example.com"))
        self.client.log_in(self.person)
        self.access_token = self.person.tokens["access_token"]
        resource = {"id": crypto.new_id(), "name": "Orders", "scopes": {"orders:read": "Read"}}
        add_row(self.app, OAuthResource(audience=API, **resource))
        self.party = self._register(id="shop")
        self.service = self._register(
            id="job", grant_types=["client_credentials"], scopes=["orders:read"], resources=[API]
        )
        self.tokens = self._exchange(self._create_code())
        with self.app.app_context():
            found = db.session.execute(db.text("SELECT id FROM oauth_grants")).scalars().all()
        self.grant_id = found[0]

    def _register(self, **columns: Any) -> RelyingParty:
        client = OAuthClient(**client_columns(**columns))
        digest = crypto.digest(secret_of(client.id))
        secret = {"id": crypto.new_id(), "client_id": client.id, "digest": digest}
        registered = add_row(self.app, client, OAuthClientSecret(**secret))
        return RelyingParty(partial(self.app.test_client, use_cookies=False), registered)

    def _create_code(self) -> str:
        approval: dict[str, Any] = {"scopes": ("openid", "email"), "offline": True}
        approval["request"] = {"code_challenge": CHALLENGE}
        return create_code(self.app, "shop", self.access_token, **approval)

    def _exchange(self, code: str) -> dict[str, Any]:
        answer = self.party.exchange(code, code_verifier=VERIFIER, redirect_uri=None)
        assert answer.status_code == 200, answer.json
        return dict(answer.get_json())

    def calls(self) -> dict[str, Callable[[], object]]:
        """Return the calls to measure, by name; a code is created before its call."""
        access = self.tokens["access_token"]
        return {
            OWN: self._refresh_own,
            "raw transaction": self._write_raw,
            "bare route": lambda: self.bare.get("/bare"),
            "raw signature": lambda: jwt.encode({"sub": "job"}, self.key, "ES256"),
            "code to tokens": partial(self._exchange, self._create_code()),
            "refresh of a client": self._refresh,
            "introspection": lambda: self.party.introspect(access),
            "userinfo": lambda: self.party.userinfo(access),
            "client credentials": lambda: self.service.token(grant_type="client_credentials"),
        }

    def _refresh_own(self) -> None:
        self.person.tokens = self.client.renew(self.person.tokens)

    def _refresh(self) -> None:
        answer = self.party.refresh(self.tokens["refresh_token"])
        assert answer.status_code == 200, answer.json
        self.tokens = dict(answer.get_json())

    def _write_raw(self) -> None:
        self.connection.execute(UPDATE, (self.grant_id,)).fetchone()
        self.connection.execute(RECORD, (crypto.new_id(), self.grant_id))
        self.connection.commit()

    def close(self) -> None:
        """Close all connections."""
        self.connection.close()
        with self.app.app_context():
            for engine in db.engines.values():
                engine.dispose()

    def measure(self) -> None:
        """Make each call once, and keep how long it took."""
        for name, call in self.calls().items():
            began = time.perf_counter()
            call()
            self.times.setdefault(name, []).append(1000 * (time.perf_counter() - began))


def study(folder: Path, postgres_url: str | None, rounds: int) -> tuple[list[Finding], str]:
    """Measure all requests in turn; return the ratios and the version of PostgreSQL."""
    with create_database(folder, postgres_url) as (settings, version):
        rings = {name: f"bench:{_random_key()}" for name in KEY_RING_SETTINGS}
        measured = Measurement(create_app(Settings.from_environment(settings | rings | FAST)))
        for _ in range((rounds + 1) * CALLS):
            measured.measure()
        measured.close()
    return [*_compare(measured.times)], version


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _compare(times: dict[str, list[float]]) -> Iterator[Finding]:
    """Yield the ratio of each request to its reference, and to a refresh of our own API."""
    for name, reference in REFERENCES.items():
        for other in (reference, OWN):
            yield _ratio(f"{name} / {other}", times[name][CALLS:], times[other][CALLS:])


def _ratio(subject: str, own: list[float], other: list[float]) -> Finding:
    """Return the median of the ratios of the rounds; the first round was a warm-up."""
    ratios = [
        statistics.median(own[start : start + CALLS])
        / statistics.median(other[start : start + CALLS])
        for start in range(0, len(own), CALLS)
    ]
    p50 = f"{statistics.median(own):.2f} ms against {statistics.median(other):.2f} ms"
    spread = f"rounds {min(ratios):.2f} to {max(ratios):.2f}"
    return Finding(NAME, subject, statistics.median(ratios), "", details=f"{p50}; {spread}")
