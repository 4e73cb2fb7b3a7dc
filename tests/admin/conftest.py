"""Administrators, and what they send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from gatehouse.database.session import db
from models import Role
from models import User as Account
from tests.client import Client, User
from tests.rows import rows

USERS = "/admin/users"
ADA, ROOT, HELEN = "ada@example.com", "root@example.com", "helen@example.com"
REASON = {"reason": "stolen laptop"}


@pytest.fixture
def admin(sign_in_as: Callable[..., Client]) -> Client:
    """An administrator who is signed in with a second factor."""
    return sign_in_as("admin", email=ROOT)


@pytest.fixture
def support(app: Flask, sign_in_as: Callable[..., Client]) -> Client:
    """A member of the support."""
    with app.app_context():
        db.session.merge(Role(name="support", description="Helps users."))
        db.session.commit()
    return sign_in_as("support", email=HELEN)


@pytest.fixture
def ada(client: Client, make_user: Callable[..., User]) -> User:
    """A user who is signed in."""
    user = make_user(email=ADA, username="ada")
    client.log_in(user)
    return user


@pytest.fixture
def path_of(app: Flask) -> Callable[..., str]:
    """Return the path of a user: path_of(ADA), path_of(ADA, "disable")."""

    def path_of(email: str, action: str = "") -> str:
        [row] = rows(app, Account, email_canonical=email)
        return f"{USERS}/{row.id}{'/' if action else ''}{action}"

    return path_of


def outcome(response: TestResponse) -> tuple[int, str | None]:
    """Return the status and the code of a response."""
    body: Any = response.json if response.data else {}
    return response.status_code, body.get("code")


def if_match(response: TestResponse) -> dict[str, str]:
    """Return the header that names the version of a response."""
    return {"If-Match": response.headers["ETag"]}
