"""Each kind of token is accepted at its place only, and the metadata says what works."""

import pytest

from gatehouse.database.session import db
from gatehouse.oauth.logout_tokens import build_logout_token
from models import LogoutNotification, OAuthClient, OAuthGrant
from tests.client import PASSWORD
from tests.rows import rows

API = "https://api.example.com"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def party(make_relying_party, make_resource):
    make_resource()
    return make_relying_party(scopes=["openid", "orders:read"], resources=[API])


@pytest.fixture
def kinds(app, client, party, make_user):
    """Return one live token of each kind, by name."""
    user = make_user(email="ada@example.com")
    ours = client.log_in(user)
    for_api = party.sign_in(user, scope="openid orders:read", resource=API)
    userinfo = f"{party.issuer}/oauth2/userinfo"
    for_userinfo = party.refresh(for_api["refresh_token"], resource=userinfo).json
    code = party.authorize()["code"]
    verifier = party.sent.verifier
    guarded = make_user(email="eve@example.com")
    client.log_in(guarded)
    client.enrol_totp(guarded)
    login = {"identifier": guarded.email, "password": PASSWORD}
    return {
        "our access token": ours["access_token"],
        "our refresh token": ours["refresh_token"],
        "access token for an API": for_api["access_token"],
        "access token for userinfo": for_userinfo["access_token"],
        "refresh token of a client": for_userinfo["refresh_token"],
        "ID token": for_api["id_token"],
        "logout token": logout_token(app),
        "authorization code": code,
        "verifier": verifier,
        "client assertion": party.assertion(),
        "MFA token": client.post("/auth/login", login).json["mfa_token"],
        "sealed request": party.start(prompt="consent").forms[0].values()["request"],
    }


def logout_token(app):
    grant = rows(app, OAuthGrant)[0]
    with app.app_context():
        notification = LogoutNotification(
            client_id="shop", user_id=grant.user_id, subject=grant.subject, sid=grant.sid
        )
        return build_logout_token(notification, db.session.get_one(OAuthClient, "shop"))


def accepted(kinds, attempt):
    """Return the names of the tokens with which an attempt succeeds."""
    return {name for name, token in kinds.items() if attempt(token)}


def bearer(client, path):
    headers = "Authorization"
    return lambda token: client.get(path, headers={headers: f"Bearer {token}"}).status_code == 200


@pytest.mark.requirement("JW-06", "JW-07", "OA-23")
def test_each_kind_of_token_opens_its_own_place_only(client, party, kinds):
    first_party = {"our access token"}
    verifier = kinds.pop("verifier")
    assert accepted(kinds, bearer(client, "/auth/me")) == first_party
    assert accepted(kinds, bearer(client, "/auth/grants")) == first_party
    assert accepted(kinds, bearer(client, "/gateway/verify")) == first_party
    assert accepted(kinds, bearer(client, "/admin/users")) == set()
    assert accepted(kinds, lambda token: party.userinfo(token).status_code == 200) == {
        "access token for userinfo"
    }
    assert accepted(kinds, lambda token: party.introspect(token).json["active"]) == {
        "access token for an API",
        "access token for userinfo",
        "refresh token of a client",
    }
    hinted = "invalid_request"
    assert accepted(
        kinds,
        lambda token: (
            party.read_answer(party.start(prompt="none", id_token_hint=token)).get("error")
            != hinted
        ),
    ) == {"ID token"}
    assert accepted(
        kinds, lambda token: party.exchange(token, code_verifier=verifier).status_code == 200
    ) == {"authorization code"}
    assert accepted(
        kinds,
        lambda token: client.post("/auth/refresh", {"refresh_token": token}).status_code < 300,
    ) == {"our refresh token"}
    assert accepted(kinds, lambda token: party.refresh(token).status_code == 200) == {
        "refresh token of a client"
    }


@pytest.mark.requirement("OA-13")
def test_what_the_metadata_says_works_and_nothing_else_does(client, party, make_user):
    found = party.get("/.well-known/openid-configuration").json
    grants = [*found["grant_types_supported"], "password", DEVICE_CODE, TOKEN_EXCHANGE, JWT_BEARER]
    unsupported = [
        grant
        for grant in grants
        if party.token(grant_type=grant).json["error"] == "unsupported_grant_type"
    ]
    user = make_user(email="ada@example.com")
    modes = found["response_modes_supported"]
    prompts = [
        party.start(prompt=prompt, response_mode="query").url
        for prompt in found["prompt_values_supported"]
    ]
    public, exact = "http://localhost:8000", found["issuer"]

    assert unsupported == ["password", DEVICE_CODE, TOKEN_EXCHANGE, JWT_BEARER]
    assert all("code" in party.authorize(user, response_mode=mode) for mode in modes)
    assert not any("error=invalid_request" in url for url in prompts)
    assert exact == public
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["authorization_response_iss_parameter_supported"] is True
    assert (found["request_parameter_supported"], found["request_uri_parameter_supported"]) == (
        False,
        False,
    )
    for name, url in found.items():
        if name.endswith(("_endpoint", "jwks_uri")):
            assert client.get(url.removeprefix(public)).status_code in (200, 303, 400, 401, 405)
    for path in ("par", "register", "device_authorization", "token/"):
        assert client.post(f"/oauth2/{path}", data={}).status_code == 404, path
