"""Writes that a page of somebody else could make a browser send."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row
from werkzeug.test import TestResponse

from tests.client import PASSWORD, CookieClient
from tests.surface.conftest import contents
from tests.tokens.forgery import read

OURS = "http://localhost:8000"
FRONT = "https://app.example.com"
REFUSED = (403, "csrf_failed")
NEW = "another unlikely phrase 43"
allow_listed = pytest.mark.settings(GATEHOUSE_ALLOWED_ORIGINS=FRONT)
WRITES = [
    ("PATCH", "/auth/me", {"name": "Mallory"}),
    ("POST", "/auth/password/change", {"current_password": PASSWORD, "password": NEW}),
    ("POST", "/auth/refresh", None),
    ("POST", "/auth/logout", None),
    ("POST", "/auth/logout", {"scope": "others"}),
    ("POST", "/auth/logout", {"scope": "global"}),
]


def write(
    client: CookieClient, method: str, path: str, body: Any, **headers: str | None
) -> TestResponse:
    """Send one of the writes; a header of None is left out."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client._send(client._door, method, path, {"json": body, "headers": named})


def all_but_audit(app: Flask) -> dict[str, list[Row[Any]]]:
    """Return every row of every other table."""
    return {name: found for name, found in contents(app).items() if name != "audit_events"}


def session_of(client: CookieClient) -> str:
    """Return the id of the session that a browser is in."""
    sid: str = read(client.cookies["__Host-access"])[1]["sid"]
    return sid
