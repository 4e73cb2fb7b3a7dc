"""Token responses: their claims, their session, and whether they are still accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.client import Client, CookieTokens
from tests.sessions.cookies import REFRESH
from tests.tokens.forgery import assert_rejected, decode_token

Tokens = Mapping[str, Any]
"""A token response, in body mode or in cookie mode."""


def token_claims(tokens: Tokens, name: str = "refresh_token") -> dict[str, Any]:
    """Return the claims of one token of a token response."""
    return decode_token(tokens[name])[1]


def session_id_of(tokens: Tokens) -> str:
    """Return the id of the session of a token response."""
    in_cookie = isinstance(tokens, CookieTokens)
    encoded = tokens.cookies[REFRESH] if in_cookie else tokens["refresh_token"]
    session_id: str = decode_token(encoded)[1]["sid"]
    return session_id


def assert_ended(client: Client, *responses: Tokens) -> None:
    """Check that no token of these is accepted any more."""
    for tokens in responses:
        assert_rejected(client.as_(tokens).get("/auth/me"), "token_revoked")
        assert_rejected(client.refresh(tokens), "session_ended")


def assert_active(client: Client, *responses: Tokens) -> None:
    """Check that the tokens of these are accepted."""
    for tokens in responses:
        assert client.as_(tokens).get("/auth/me").status_code == 200
        assert client.refresh(tokens).status_code == 200
