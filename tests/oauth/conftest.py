"""Clients, resources and relying parties of the authorization server."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask

from gatehouse.core import crypto
from gatehouse.database.session import db
from models import OAuthClient, OAuthClientSecret, OAuthResource
from tests.oauth.relying_party import ASSERTION_KEY, RelyingParty, secret_of

SECRET_METHODS = ("client_secret_basic", "client_secret_post")
SCOPES = ["openid", "profile", "email", "phone", "roles", "offline_access"]


def client_columns(**columns: Any) -> dict[str, Any]:
    """Return the columns of a client: a web application of the operator, unless they say else."""
    method = columns.get("authentication_method", "client_secret_basic")
    defaults = {
        "id": "shop",
        "name": "Shop",
        "kind": "web",
        "authentication_method": method,
        "redirect_uris": ["https://shop.example.com/callback"],
        "post_logout_redirect_uris": ["https://shop.example.com/signed-out"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_modes": ["query", "fragment", "form_post"],
        "scopes": SCOPES,
        "resources": [],
        "consent": "first_party",
        "subject_type": "public",
        "id_token_algorithm": "RS256",
        "access_token_lifetime": 600,
        "refresh_token_lifetime": 14 * 86400,
        "grant_lifetime": 30 * 86400,
    }
    if method == "private_key_jwt":
        defaults["jwks"] = {"keys": [ASSERTION_KEY.as_dict(private=False)]}
    return defaults | columns


def add_row(app: Flask, row: Any, *more: Any) -> Any:
    """Insert a row and those that refer to it; return it, usable without the database."""
    with app.app_context():
        db.session.add(row)
        db.session.flush()
        db.session.add_all(more)
        db.session.commit()
        db.session.refresh(row)
        db.session.expunge(row)
    return row


@pytest.fixture
def make_client(app: Flask) -> Callable[..., OAuthClient]:
    """Register clients: make_client(id="shop", **columns).

    A client that authenticates with a secret has the one of `secret_of(client.id)`.
    """

    def make(**columns: Any) -> OAuthClient:
        client = OAuthClient(**client_columns(**columns))
        secrets = []
        if client.authentication_method in SECRET_METHODS:
            digest = crypto.digest(secret_of(client.id))
            secrets.append(
                OAuthClientSecret(id=crypto.new_id(), client_id=client.id, digest=digest)
            )
        made: OAuthClient = add_row(app, client, *secrets)
        return made

    return make


@pytest.fixture
def make_resource(app: Flask) -> Callable[..., OAuthResource]:
    """Register APIs: make_resource(audience="https://api.example.com", scopes={...})."""

    def make(**columns: Any) -> OAuthResource:
        defaults = {
            "id": crypto.new_id(),
            "audience": "https://api.example.com",
            "name": "Orders",
            "scopes": {"orders:read": "See your orders", "orders:write": "Change your orders"},
        }
        made: OAuthResource = add_row(app, OAuthResource(**(defaults | columns)))
        return made

    return make


@pytest.fixture
def make_relying_party(
    app: Flask, make_client: Callable[..., OAuthClient]
) -> Callable[..., RelyingParty]:
    """Start relying parties, each with a browser of its own: of this client, or of a new one.

    make_relying_party(client), or make_relying_party(**columns) as for `make_client`.
    """

    def start(client: OAuthClient | None = None, **columns: Any) -> RelyingParty:
        connection = partial(app.test_client, use_cookies=False)
        return RelyingParty(connection, client or make_client(**columns))

    return start


@pytest.fixture
def relying_party(make_relying_party: Callable[..., RelyingParty]) -> RelyingParty:
    """The relying party of the web client `shop`."""
    return make_relying_party()
