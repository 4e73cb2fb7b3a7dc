"""The presets, with the answers that the providers document."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
from joserfc.jwk import ECKey

from gatehouse.federation import registry
from models import ExternalIdentity, User
from tests.federation.openid_provider import OpenIdProvider
from tests.rows import rows

JSON = {"Content-Type": "application/json; charset=utf-8"}


def answer(content: object) -> tuple[int, dict[str, str], bytes]:
    return 200, JSON, json.dumps(content).encode()


def declare(app, name: str, **members: object) -> None:
    """Declare a provider of a preset in the running application."""
    table = {"client_id": "gatehouse", "label": name, **members}
    declared = registry.parse_provider(name, table, {name: "secret"})
    app.extensions[registry.EXTENSION] = {name: declared}


def come_back(browser, name: str, **more: str):
    """Begin with a provider, and come back with a code."""
    asked = dict(parse_qsl(urlsplit(browser.begin(name)).query))
    return asked, browser.come_back({"state": asked["state"], "code": "c", **more}, name)


def test_github_gives_the_primary_address_if_it_is_verified(app, op: OpenIdProvider, browser_of):
    endpoints = {"authorization_endpoint": f"{op.issuer}/authorize"}
    endpoints |= {"token_endpoint": f"{op.issuer}/access_token"}
    endpoints |= {"userinfo_endpoint": f"{op.issuer}/user"}
    endpoints |= {"emails_endpoint": f"{op.issuer}/user/emails"}
    declare(app, "github", **endpoints, trusted_email_domains=["*"])
    form = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    listed = [
        {"email": "old@example.com", "verified": True, "primary": False, "visibility": None},
        {"email": "octo@example.com", "verified": True, "primary": True, "visibility": "private"},
    ]
    op.answers = {
        "/access_token": (200, form, b"access_token=gho_16C7&scope=read%3Auser&token_type=bearer"),
        "/user": answer({"login": "octocat", "id": 583231, "name": "Octo Cat", "email": None}),
        "/user/emails": answer(listed),
    }

    asked, response = come_back(browser_of(), "github")

    assert response.status_code == 303, response.text
    assert (asked["scope"], "nonce" in asked) == ("read:user user:email", False)
    [user], [identity] = rows(app, User), rows(app, ExternalIdentity)
    assert (user.email, user.name) == ("octo@example.com", "Octo Cat")
    assert (identity.issuer, identity.subject) == ("https://github.com", "583231")
    listed[1]["verified"] = False
    op.answers |= {"/user/emails": answer(listed), "/user": answer({"id": 7})}
    assert come_back(browser_of(), "github")[1].status_code == 403
    op.answers["/access_token"] = (200, form, b"error=bad_verification_code")
    assert come_back(browser_of(), "github")[1].status_code == 401


@pytest.mark.settings(GATEHOUSE_REGISTRATION="open")
def test_facebook_identifies_by_its_id_and_no_address_is_relied_on(app, op, browser_of):
    endpoints = {"authorization_endpoint": f"{op.issuer}/dialog/oauth"}
    endpoints |= {"token_endpoint": f"{op.issuer}/oauth/access_token"}
    endpoints |= {"userinfo_endpoint": f"{op.issuer}/me"}
    declare(app, "facebook", **endpoints, trusted_email_domains=["*"])
    op.answers = {
        "/oauth/access_token": answer({"access_token": "EAAC", "token_type": "bearer"}),
        "/me": answer({"id": "10158", "name": "Ada", "email": "ada@example.com"}),
    }

    assert come_back(browser_of(), "facebook")[1].status_code == 403
    assert rows(app, User) == []


def test_apple_gets_a_signed_secret_and_gives_the_name_once(app, op, browser_of, tmp_path):
    key = ECKey.generate_key("P-256")
    (tmp_path / "key.p8").write_bytes(key.as_pem(private=True))
    members = {"team_id": "TEAM", "signing_key_id": "KEY", "issuer": op.issuer}
    members |= {"signing_key_file": str(tmp_path / "key.p8"), "trusted_email_domains": ["*"]}
    declare(app, "apple", **members)
    browser, bodies = browser_of(), []
    asked = dict(parse_qsl(urlsplit(browser.begin("apple")).query))
    claims = {"sub": "001.a", "email": "ada@example.com", "email_verified": "true"}

    def exchange(headers, body):
        bodies.append(dict(parse_qsl(body)))
        id_token = op.id_token(**claims, nonce=asked["nonce"])
        return {"access_token": "a", "token_type": "Bearer", "id_token": id_token}

    op.exchange = exchange
    name = json.dumps({"name": {"firstName": "Ada", "lastName": "Lovelace"}, "email": "x@y.z"})
    form = {"state": asked["state"], "code": "c", "user": name, "iss": op.issuer, "repeated": "1"}
    response = browser.post("/auth/federation/apple/callback", data=form)

    assert response.status_code == 303, response.text
    assert asked["response_mode"] == "form_post"
    secret = bodies[0]["client_secret"]
    public = key.as_pem(private=False)
    sent = jwt.decode(secret, public, algorithms=["ES256"], audience=op.issuer)
    assert (sent["iss"], sent["sub"], sent["exp"] - sent["iat"]) == ("TEAM", "gatehouse", 300)
    assert jwt.get_unverified_header(secret)["kid"] == "KEY"
    [user] = rows(app, User)
    assert (user.email, user.name) == ("ada@example.com", "Ada Lovelace")
