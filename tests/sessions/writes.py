"""Writes that a page of another origin could make a browser send."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Row
from werkzeug.test import TestResponse

from tests.client import PASSWORD, CookieClient
from tests.surface.conftest import read_tables
from tests.tokens.forgery import decode_token

OWN_ORIGIN = "http://localhost:8000"
ALLOWED_ORIGIN = "https://app.example.com"
CSRF_FAILED = (403, "csrf_failed")
NEW_PASSWORD = "another unlikely phrase 43"
allow_listed = pytest.mark.settings(GATEHOUSE_ALLOWED_ORIGINS=ALLOWED_ORIGIN)
WRITES = [
    ("PATCH", "/auth/me", {"name": "Mallory"}),
    ("POST", "/auth/password/change", {"current_password": PASSWORD, "password": NEW_PASSWORD}),
    ("POST", "/auth/refresh", None),
    ("POST", "/auth/logout", None),
    ("POST", "/auth/logout", {"scope": "others"}),
    ("POST", "/auth/logout", {"scope": "global"}),
]


def send_write(
    client: CookieClient, method: str, path: str, body: Any, **headers: str | None
) -> TestResponse:
    """Send one of the writes; `_` in names of headers stands for `-`, None removes a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.send(method, path, json=body, headers=named)


def rows_except_audit(app: Flask) -> dict[str, list[Row[Any]]]:
    """Return all rows of all tables except the audit log."""
    return {name: found for name, found in read_tables(app).items() if name != "audit_events"}


def session_id_of(client: CookieClient) -> str:
    """Return the id of the session of a browser's cookies."""
    session_id: str = decode_token(client.cookies["__Host-access"])[1]["sid"]
    return session_id
