"""Checks that many modules share: metadata, claims, and what a page asks for."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.oauth.form_browser import Page
from tests.oauth.relying_party import RelyingParty


def with_mode(party: RelyingParty, response_mode: str) -> RelyingParty:
    """Let a client ask for a response mode in all its requests."""
    if response_mode != "default":
        party.defaults["response_mode"] = response_mode
    return party


def metadata(party: RelyingParty) -> dict[str, Any]:
    """Return the provider's metadata."""
    response = party.get("/.well-known/openid-configuration")
    assert response.status_code == 200, response.text
    return dict(response.json)


def claims_of(party: RelyingParty, tokens: dict[str, Any]) -> dict[str, Any]:
    """Return the claims of the userinfo endpoint, which are about the user of the ID token."""
    response = party.userinfo(tokens["access_token"])
    assert response.status_code == 200, response.text
    assert response.mimetype == "application/json"
    assert response.json["sub"] == tokens["claims"]["sub"]  # Core section 5.3.2
    return dict(response.json)


def redeem(party: RelyingParty, page: Page) -> dict[str, Any]:
    """Exchange the code that a page ends with; return the claims of the ID token."""
    answer = party.read_answer(page)
    assert "code" in answer, answer
    claims: dict[str, Any] = party.read_tokens(party.exchange(answer["code"]))["claims"]
    return claims


def assert_asks_for_password(page: Page) -> None:
    """The page is a login page."""
    assert 'name="password"' in page.text, page.text


def assert_invalid_grant(response: Any) -> None:
    """The token endpoint did not accept the grant (RFC 6749 section 5.2)."""
    assert (response.status_code, response.json["error"]) == (400, "invalid_grant")


def unsigned(claims: dict[str, Any]) -> str:
    """Return a JWT without a signature (RFC 7519 section 6)."""
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, ""])
