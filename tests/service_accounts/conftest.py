"""Service accounts with keys, and clients that send them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

from gatehouse.tokens import sync
from models import User as Account
from tests.client import Client
from tests.rows import rows

ACCOUNTS = "/admin/service-accounts"
ROOT, OWNER = "root@example.com", "owner@example.com"


@dataclass
class Key:
    """An API key, its URL, and the client that sends it."""

    text: str
    url: str
    account: str
    client: Client

    @property
    def id(self) -> str:
        """Its id."""
        return self.url.rpartition("/")[2]


@pytest.fixture
def admin(sign_in_as: Callable[..., Client]) -> Client:
    """An administrator who is signed in with a second factor."""
    return sign_in_as("admin", email=ROOT)


@pytest.fixture
def owner_id(app: Flask, make_user: Callable[..., Any]) -> str:
    """The user who owns the service accounts."""
    make_user(email=OWNER)
    return str(rows(app, Account, email_canonical=OWNER)[0].id)


@pytest.fixture
def make_account(admin: Client, owner_id: str) -> Callable[..., str]:
    """Create a service account with roles, and return its URL: make_account("support")."""

    def make(*roles: str, name: str = "deploy", by: Client = admin) -> str:
        form = {"name": name, "description": "Deploys.", "owner_id": owner_id}
        given = [{"role": role} for role in roles]
        response = by.post(ACCOUNTS, {**form, "roles": given})
        assert response.status_code == 201, response.json
        return f"{ACCOUNTS}/{response.json['id']}"

    return make


@pytest.fixture
def make_key(
    app: Flask, client: Client, admin: Client, make_account: Callable[..., str]
) -> Callable[..., Key]:
    """Create a key, for a new account with the role `admin` if there is none yet."""
    made: list[str] = []

    def make(*permissions: str, account: str = "", **more: Any) -> Key:
        if not account:
            made[:] = made or [make_account("admin")]
        url = account or made[0]
        form = {"name": "CI", "permissions": permissions or ["users:read"], **more}
        response = admin.post(f"{url}/keys", form)
        assert response.status_code == 201, response.json
        with app.app_context():
            sync.refresh()
        text = response.json["key"]
        return Key(text, f"{url}/keys/{response.json['id']}", url, client.as_(text))

    return make


@pytest.fixture
def make_role(admin: Client) -> Callable[..., str]:
    """Create a role that grants permissions, and return its name."""

    def make(name: str, *permissions: str) -> str:
        form = {"name": name, "description": "x", "permissions": permissions}
        assert admin.post("/admin/roles", form).status_code == 201
        return name

    return make


def outcome(response: Any) -> tuple[int, str | None]:
    """Return the status and the code of a response."""
    body: Any = response.json if response.data else {}
    return response.status_code, body.get("code")
