"""Makes tokens piece by piece: as an attacker would, or with the service's own key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.tokens import sync
from gatehouse.tokens.keys import Key
from tests.client import Client


class Absent:
    """In the place of a value: the member is left out."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()

Attack = Callable[[str], str]
"""Makes a bad token of a good one."""


@dataclass(frozen=True)
class Door:
    """A place where tokens are taken, and the kind it takes."""

    kind: str
    knock: Callable[[Client, str], TestResponse]


ME = Door("access_token", lambda client, token: client.as_(token).get("/auth/me"))
GATEWAY = Door("access_token", lambda client, token: client.as_(token).get("/gateway/verify"))
REFRESH = Door("refresh_token", lambda client, token: client.refresh({"refresh_token": token}))
DOORS = {"me": ME, "gateway": GATEWAY, "refresh": REFRESH}


def segment(value: Any) -> str:
    """Return JSON, or bytes as they are, in base64url without padding."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def opened(part: str) -> bytes:
    """Return the bytes of a segment."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims, unverified."""
    header, claims, _ = token.split(".")
    return json.loads(opened(header)), json.loads(opened(claims))


def signed(header: Mapping[str, Any], payload: Any, key: Any, algorithm: str | None = None) -> str:
    """Return a compact JWS of any header, signed by the algorithm it names or by another."""
    message = f"{segment(header)}.{segment(payload)}"
    algorithm = algorithm or header["alg"]
    signature = jwt.get_algorithm_by_name(algorithm).sign(message.encode(), key)
    return f"{message}.{segment(signature)}"


def changed(members: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return members with some replaced, added or, where ABSENT, left out."""
    both = {**members, **changes}
    return {name: value for name, value in both.items() if value is not ABSENT}


def with_parts(token: str, **parts: Any) -> str:
    """Return a token with some of its segments replaced: header, claims, signature."""
    names = ("header", "claims", "signature")
    return ".".join(changed(dict(zip(names, token.split("."), strict=True)), parts).values())


def signed_by(
    key: Any, token: str, *, header: Mapping[str, Any] = {}, claims: Mapping[str, Any] = {}
) -> str:
    """Return a token with other members, signed by the algorithm it names."""
    own_header, own_claims = read(token)
    return signed(changed(own_header, header), changed(own_claims, claims), key)


class Forger:
    """Signs whatever it is told with the key that signs the service's tokens."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    @property
    def key(self) -> Key:
        """The active signing key."""
        with self._app.app_context():
            return sync.up_to_date().keys().active

    def like(
        self, token: str, *, header: Mapping[str, Any] = {}, claims: Mapping[str, Any] = {}
    ) -> str:
        """Return a token with other members, truly signed whatever `alg` it names."""
        own_header, own_claims = read(token)
        members = changed(own_header, header), changed(own_claims, claims)
        return signed(*members, self.key.private, self.key.algorithm)


@contextmanager
def case(**about: object) -> Iterator[None]:
    """Name the one of many cases that fails."""
    try:
        yield
    except AssertionError as failure:
        failure.add_note(f"in the case {about}"[:400])
        raise


def assert_refused(answer: TestResponse, code: str) -> None:
    """Check everything that a client is told about a token that is not taken."""
    assert (answer.status_code, answer.json["code"]) == (401, code), answer.text
    assert answer.json["status"] == 401
    assert answer.mimetype == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert answer.headers["Cache-Control"] == "no-store"
