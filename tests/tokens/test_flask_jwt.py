"""The decorators of Flask-JWT-Extended accept and reject the same tokens as our own."""

import pytest
from flask_jwt_extended import get_jwt_identity, jwt_required

from tests.tokens.forgery import ABSENT, assert_rejected, case, decode_token


@pytest.fixture
def probe(app):
    """Add routes with decorators of the extension."""

    @app.get("/probe")
    @jwt_required()
    def protected():
        return {"user": get_jwt_identity()}

    @app.get("/probe/fresh")
    @jwt_required(fresh=True)
    def protected_by_fresh():
        return {}

    @app.get("/probe/refresh")
    @jwt_required(refresh=True)
    def protected_by_refresh():
        return {}


pytestmark = [pytest.mark.alters_the_application, pytest.mark.usefixtures("probe")]


def test_extension_accepts_an_access_token(client, tokens):
    response = client.as_(tokens).get("/probe")

    assert response.json == {"user": tokens["user"]["id"]}


def test_extension_reports_a_missing_token(client):
    for headers in ({}, *({"Authorization": value} for value in ("", "Basic YTpi", "Token x"))):
        with case(headers=headers):
            assert_rejected(client.get("/probe", headers=headers), "token_missing")


def test_extension_rejects_a_malformed_token(client):
    for token in ("x", "a.b.c", "e30.e30.e30", "two words", "a.b.c.d.e"):
        with case(token=token):
            assert_rejected(client.as_(token).get("/probe"), "token_invalid")


def test_extension_rejects_foreign_claims(client, tokens, forger):
    evil = "https://evil.example"
    for claims in ({"iss": evil}, {"aud": evil}, {"sub": 7}, {"aud": ABSENT}):
        foreign = forger.sign_again(tokens["access_token"], claims=claims)
        with case(claims=claims):
            assert_rejected(client.as_(foreign).get("/probe"), "token_invalid")


def test_extension_rejects_an_unknown_key(client, tokens, forger):
    unknown = forger.sign_again(tokens["access_token"], header={"kid": "unknown"})

    assert_rejected(client.as_(unknown).get("/probe"), "token_invalid")


def test_extension_rejects_an_expired_token(client, tokens, forger):
    expired = forger.sign_again(tokens["access_token"], claims={"exp": 1})

    assert_rejected(client.as_(expired).get("/probe"), "token_expired")


def test_extension_rejects_a_refresh_token(client, tokens):
    assert_rejected(client.as_(tokens["refresh_token"]).get("/probe"), "token_invalid")


def test_extension_rejects_a_refresh_token_with_type_access(client, tokens, forger):
    disguised = forger.sign_again(tokens["refresh_token"], claims={"type": "access"})

    assert_rejected(client.as_(disguised).get("/probe"), "token_invalid")


def test_extension_accepts_no_token_for_refresh_routes(client, tokens):
    for token in (tokens["refresh_token"], tokens["access_token"]):
        assert_rejected(client.as_(token).get("/probe/refresh"), "token_invalid")


def test_extension_treats_no_token_as_fresh(client, tokens):
    assert decode_token(tokens["access_token"])[1]["fresh"] is False
    assert_rejected(client.as_(tokens).get("/probe/fresh"), "token_invalid")


def test_extension_rejects_the_token_of_an_ended_session(client, tokens):
    client.as_(tokens).post("/auth/logout")

    assert_rejected(client.as_(tokens).get("/probe"), "token_revoked")


def test_extension_responds_503_when_the_token_state_is_stale(client, tokens, token_state):
    token_state.read_at -= 5.1

    response = client.as_(tokens).get("/probe")

    assert (response.status_code, response.json["code"]) == (503, "service_unavailable")
