"""Build forged tokens, as an attacker would, or signed with the service's own key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.tokens import sync
from gatehouse.tokens.key_set import Key
from tests.client import Client


class Absent:
    """As the value of a member: the member is left out."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()

Attack = Callable[[str], str]
"""Makes a forged token of a valid one."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that accepts tokens, and which token of a token response it accepts."""

    token_name: str
    send: Callable[[Client, str], TestResponse]


ME = Endpoint("access_token", lambda client, token: client.as_(token).get("/auth/me"))
FORWARD_AUTH = Endpoint(
    "access_token", lambda client, token: client.as_(token).get("/gateway/verify")
)
REFRESH = Endpoint("refresh_token", lambda client, token: client.refresh({"refresh_token": token}))
ENDPOINTS = {"me": ME, "gateway": FORWARD_AUTH, "refresh": REFRESH}


def encode_segment(value: Any) -> str:
    """Return JSON, or unchanged bytes, in base64url without padding."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode_segment(segment: str) -> bytes:
    """Return the bytes of a segment."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def decode_token(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims, unverified."""
    header, claims, _ = token.split(".")
    return json.loads(decode_segment(header)), json.loads(decode_segment(claims))


def sign(header: Mapping[str, Any], payload: Any, key: Any, algorithm: str | None = None) -> str:
    """Return a compact JWS with any header, signed by its `alg` or by another algorithm."""
    message = f"{encode_segment(header)}.{encode_segment(payload)}"
    algorithm = algorithm or header["alg"]
    signature = jwt.get_algorithm_by_name(algorithm).sign(message.encode(), key)
    return f"{message}.{encode_segment(signature)}"


def replace_members(members: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return members with some replaced, added or, if ABSENT, removed."""
    merged = {**members, **changes}
    return {name: value for name, value in merged.items() if value is not ABSENT}


def replace_segments(token: str, **changes: Any) -> str:
    """Return a token with some of its segments replaced: header, claims, signature."""
    names = ("header", "claims", "signature")
    segments = dict(zip(names, token.split("."), strict=True))
    return ".".join(replace_members(segments, changes).values())


def sign_again(
    key: Any, token: str, *, header: Mapping[str, Any] = {}, claims: Mapping[str, Any] = {}
) -> str:
    """Return a token with other members, signed by its `alg` with this key."""
    own_header, own_claims = decode_token(token)
    return sign(replace_members(own_header, header), replace_members(own_claims, claims), key)


class Forger:
    """Signs anything with the active signing key of the service."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    @property
    def key(self) -> Key:
        """The active signing key."""
        with self._app.app_context():
            return sync.current_state().require_keys().active

    def sign_again(
        self, token: str, *, header: Mapping[str, Any] = {}, claims: Mapping[str, Any] = {}
    ) -> str:
        """Return a token with other members and a valid signature, whatever its `alg`."""
        own_header, own_claims = decode_token(token)
        members = replace_members(own_header, header), replace_members(own_claims, claims)
        return sign(*members, self.key.private, self.key.algorithm)


@contextmanager
def case(**details: object) -> Iterator[None]:
    """Add the details of this case to a failing assertion or a call of `pytest.fail`."""
    try:
        yield
    except (AssertionError, pytest.fail.Exception) as error:
        error.add_note(f"in the case {details}"[:400])
        raise


def assert_rejected(response: TestResponse, code: str) -> None:
    """Check the status, body and headers of the error for a rejected token."""
    assert (response.status_code, response.get_json()["code"]) == (401, code), response.text
    assert response.get_json()["status"] == 401
    assert response.mimetype == "application/problem+json"
    assert response.headers["WWW-Authenticate"].startswith("Bearer ")
    assert response.headers["Cache-Control"] == "no-store"
