"""The modules of the plan Basic OP about tokens, claims and codes, in both response modes.

OpenID Connect Core and RFC 6749 say what they assert; docs/openid-conformance.md lists them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable

import pytest

from tests.client import User
from tests.oauth.conformance.checks import (
    assert_invalid_grant,
    claims_of,
    metadata,
    redeem,
    unsigned,
    with_mode,
)
from tests.oauth.relying_party import RelyingParty, challenge, decode_unchecked, entries

pytestmark = pytest.mark.requirement("OP-08")


@pytest.mark.requirement("OP-01")
def test_oidcc_server(party: RelyingParty, user: User) -> None:
    answer = party.authorize(user)
    tokens = party.read_tokens(party.exchange(answer["code"]))

    assert len(answer["code"]) >= 22  # 128 bits: RFC 6749 section 10.10
    assert tokens["claims"]["nonce"] == party.sent.nonce
    assert "refresh_token" in tokens
    assert claims_of(party, tokens)["email"] == user.email


def test_oidcc_response_type_missing(party: RelyingParty, user: User) -> None:
    answer = party.authorize(user, response_type=None)

    assert answer["error"] in ("invalid_request", "unsupported_response_type")
    assert "code" not in answer


def test_oidcc_idtoken_signature(party: RelyingParty, user: User) -> None:
    tokens = party.sign_in(user)

    header, _ = decode_unchecked(tokens["id_token"])
    assert header["alg"] == "RS256"  # verified with the key of this id by `sign_in`
    assert header["kid"]


def test_oidcc_idtoken_unsigned(party: RelyingParty) -> None:
    offered = metadata(party)["id_token_signing_alg_values_supported"]

    assert "none" not in offered
    assert "RS256" in offered


@pytest.mark.requirement("OP-03")
def test_oidcc_userinfo_get(party: RelyingParty, user: User) -> None:
    tokens = party.sign_in(user)

    assert claims_of(party, tokens)["name"] == "Ada Lovelace"


@pytest.mark.requirement("OP-03")
def test_oidcc_userinfo_post_header(party: RelyingParty, user: User) -> None:
    tokens = party.sign_in(user)

    response = party.userinfo(tokens["access_token"], "POST")

    assert response.status_code == 200
    assert response.json["sub"] == tokens["claims"]["sub"]


@pytest.mark.requirement("OP-03")
def test_oidcc_userinfo_post_body(party: RelyingParty, user: User) -> None:
    tokens = party.sign_in(user)

    response = party.post_without_credentials(
        "/oauth2/userinfo", access_token=tokens["access_token"]
    )

    assert response.status_code == 200  # RFC 6750 section 2.2
    assert response.json["sub"] == tokens["claims"]["sub"]


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(
    party: RelyingParty, user: User
) -> None:
    """A client that may leave PKCE out has to send a nonce, so this one uses PKCE."""
    party.defaults.pop("code_challenge")

    tokens = party.sign_in(user, nonce=None)

    assert "nonce" not in tokens["claims"]


@pytest.mark.requirement("OP-03")
def test_oidcc_scope_profile(party: RelyingParty, user: User) -> None:
    tokens = party.sign_in(user, scope="openid profile")

    claims = claims_of(party, tokens)
    assert claims["name"] == "Ada Lovelace"
    assert claims["preferred_username"] == "ada"
    assert isinstance(claims["updated_at"], int)
    assert not {"email", "phone_number"} & set(claims)


@pytest.mark.requirement("OP-03")
def test_oidcc_scope_email(party: RelyingParty, user: User) -> None:
    tokens = party.sign_in(user, scope="openid email")

    claims = claims_of(party, tokens)
    assert (claims["email"], claims["email_verified"]) == (user.email, True)
    assert not {"name", "phone_number"} & set(claims)
    assert "email" not in tokens["claims"]  # Core section 5.4: with a code, at the endpoint


def test_oidcc_scope_address(party: RelyingParty, user: User) -> None:
    assert "address" not in metadata(party)["scopes_supported"]

    tokens = party.sign_in(user, scope="openid address")

    assert "address" not in tokens.get("scope", "").split()
    assert "address" not in claims_of(party, tokens)


@pytest.mark.requirement("OP-03")
def test_oidcc_scope_phone(party: RelyingParty, user: User) -> None:
    tokens = party.sign_in(user, scope="openid phone")

    claims = claims_of(party, tokens)
    assert claims["phone_number"] == "+4930901820"
    assert claims["phone_number_verified"] is True
    assert "email" not in claims


def test_oidcc_scope_all(party: RelyingParty, user: User) -> None:
    assert {"openid", "profile", "email", "phone"} <= set(metadata(party)["scopes_supported"])

    tokens = party.sign_in(user, scope="openid profile email phone")

    assert {"name", "email", "phone_number"} <= set(claims_of(party, tokens))


def test_oidcc_alternate_happy_flow(party: RelyingParty, user: User) -> None:
    wanted = dict(reversed(party.request(scope="email openid").items()))
    page = party.browser.visit(party.url_of(wanted))
    answer = party.read_answer(party.browser.walk(page, entries(user)))

    tokens = party.read_tokens(party.exchange(answer["code"]))

    assert claims_of(party, tokens)["email"] == user.email
    assert "email" not in tokens["claims"]


@pytest.mark.requirement("OA-03")
def test_oidcc_codereuse(party: RelyingParty, user: User) -> None:
    code = party.authorize(user)["code"]
    tokens = party.read_tokens(party.exchange(code))

    assert_invalid_grant(party.exchange(code))

    assert party.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.requirement("OA-03")
def test_oidcc_codereuse_30seconds(
    party: RelyingParty, user: User, wait: Callable[..., None]
) -> None:
    code = party.authorize(user, scope="openid offline_access")["code"]
    tokens = party.read_tokens(party.exchange(code))
    wait(seconds=30)

    assert_invalid_grant(party.exchange(code))

    assert party.userinfo(tokens["access_token"]).status_code == 401
    assert_invalid_grant(party.refresh(tokens["refresh_token"]))


@pytest.mark.requirement("OA-01")
def test_oidcc_ensure_registered_redirect_uri(party: RelyingParty) -> None:
    page = party.start(redirect_uri=f"{party.redirect_uri}/callback/{secrets.token_hex(5)}")

    assert page.url.startswith(f"{party.issuer}/")
    assert page.response.status_code == 400
    assert page.response.mimetype == "text/html"


def test_oidcc_ensure_post_request_succeeds(party: RelyingParty, user: User) -> None:
    page = party.browser.post(
        f"{party.issuer}/oauth2/authorize", party.request(), "https://shop.example.com"
    )

    assert redeem(party, party.browser.walk(page, entries(user)))


@pytest.mark.requirement("OA-11")
def test_oidcc_server_client_secret_post(
    register: Callable[..., RelyingParty], response_mode: str, user: User
) -> None:
    poster = with_mode(register(authentication_method="client_secret_post"), response_mode)

    tokens = poster.sign_in(user)

    assert claims_of(poster, tokens)


@pytest.mark.requirement("OP-07")
def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(
    party: RelyingParty, user: User
) -> None:
    assert metadata(party)["request_uri_parameter_supported"] is False

    answer = party.authorize(user, request_uri="https://shop.example.com/request.jwt")

    assert answer["error"] == "request_uri_not_supported"


@pytest.mark.requirement("OP-07")
def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(
    party: RelyingParty, user: User
) -> None:
    assert metadata(party).get("request_parameter_supported", False) is False

    answer = party.authorize(user, request=unsigned({"client_id": party.client.id}))

    assert answer["error"] == "request_not_supported"


@pytest.mark.requirement("OP-02")
def test_oidcc_claims_essential(party: RelyingParty, user: User) -> None:
    wanted = json.dumps({"userinfo": {"name": {"essential": True}}})

    tokens = party.sign_in(user, scope="openid", claims=wanted)

    assert claims_of(party, tokens)["name"] == "Ada Lovelace"
    assert "name" not in tokens["claims"]


@pytest.mark.requirement("OP-07")
def test_oidcc_ensure_request_object_with_redirect_uri(party: RelyingParty) -> None:
    hidden = unsigned({"client_id": party.client.id, "redirect_uri": party.redirect_uri})

    page = party.start(redirect_uri="https://shop.example.com/wrong", request=hidden)

    assert page.url.startswith(f"{party.issuer}/")
    assert page.response.status_code == 400


@pytest.mark.requirement("OA-05")
def test_oidcc_refresh_token(
    party: RelyingParty,
    register: Callable[..., RelyingParty],
    user: User,
    wait: Callable[..., None],
) -> None:
    other = register(id="other")
    first = party.sign_in(user, scope="openid offline_access", prompt="consent")
    wait(seconds=1)

    second = party.read_tokens(party.refresh(first["refresh_token"]))

    assert second["access_token"] != first["access_token"]
    before, after = first["claims"], second["claims"]  # Core section 12.2
    same = ("iss", "sub", "aud", "auth_time")
    assert [after.get(name) for name in same] == [before.get(name) for name in same]
    assert after["iat"] > before["iat"]
    assert ("azp" in after) == ("azp" in before)
    assert_invalid_grant(other.refresh(second["refresh_token"]))
    assert party.refresh(second["refresh_token"]).status_code == 200


@pytest.mark.requirement("OA-06")
def test_oidcc_ensure_request_with_valid_pkce_succeeds(party: RelyingParty, user: User) -> None:
    verifier = secrets.token_urlsafe(48)

    answer = party.authorize(user, code_challenge=challenge(verifier))
    tokens = party.read_tokens(party.exchange(answer["code"], code_verifier=verifier))

    assert tokens["claims"]["nonce"] == party.sent.nonce
