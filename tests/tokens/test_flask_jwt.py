"""Flask-JWT-Extended's own guards, for whoever adds a route with them: they refuse as ours do."""

import pytest
from flask_jwt_extended import get_jwt_identity, jwt_required

from tests.tokens.forgery import ABSENT, assert_refused, read


@pytest.fixture
def probe(app):
    """Routes that the extension guards."""

    @app.get("/probe")
    @jwt_required()
    def guarded():
        return {"user": get_jwt_identity()}

    @app.get("/probe/fresh")
    @jwt_required(fresh=True)
    def guarded_by_freshness():
        return {}

    @app.get("/probe/refresh")
    @jwt_required(refresh=True)
    def guarded_by_kind():
        return {}


pytestmark = [pytest.mark.alters_the_application, pytest.mark.usefixtures("probe")]


def test_the_extension_lets_an_access_token_pass(client, tokens):
    answer = client.as_(tokens).get("/probe")

    assert answer.json == {"user": tokens["user"]["id"]}


@pytest.mark.parametrize("header", [None, "", "Basic YTpi", "Token x"])
def test_the_extension_misses_a_token(client, header):
    answer = client.get("/probe", headers={} if header is None else {"Authorization": header})

    assert_refused(answer, "token_missing")


@pytest.mark.parametrize("token", ["x", "a.b.c", "e30.e30.e30", "two words", "a.b.c.d.e"])
def test_the_extension_refuses_what_is_no_token(client, token):
    assert_refused(client.as_(token).get("/probe"), "token_invalid")


@pytest.mark.parametrize(
    "claims",
    [{"iss": "https://evil.example"}, {"aud": "https://evil.example"}, {"sub": 7}, {"aud": ABSENT}],
    ids=repr,
)
def test_the_extension_refuses_foreign_claims(client, tokens, forger, claims):
    foreign = forger.like(tokens["access_token"], claims=claims)

    assert_refused(client.as_(foreign).get("/probe"), "token_invalid")


def test_the_extension_refuses_an_unknown_key(client, tokens, forger):
    unknown = forger.like(tokens["access_token"], header={"kid": "unknown"})

    assert_refused(client.as_(unknown).get("/probe"), "token_invalid")


def test_the_extension_refuses_an_expired_token(client, tokens, forger):
    expired = forger.like(tokens["access_token"], claims={"exp": 1})

    assert_refused(client.as_(expired).get("/probe"), "token_expired")


def test_the_extension_refuses_a_refresh_token(client, tokens):
    assert_refused(client.as_(tokens["refresh_token"]).get("/probe"), "token_invalid")


def test_the_extension_refuses_a_refresh_token_that_claims_to_be_an_access_token(
    client, tokens, forger
):
    disguised = forger.like(tokens["refresh_token"], claims={"type": "access"})

    assert_refused(client.as_(disguised).get("/probe"), "token_invalid")


def test_no_route_of_the_extension_takes_refresh_tokens(client, tokens):
    for token in (tokens["refresh_token"], tokens["access_token"]):
        assert_refused(client.as_(token).get("/probe/refresh"), "token_invalid")


def test_no_token_is_fresh_in_the_words_of_the_extension(client, tokens):
    assert read(tokens["access_token"])[1]["fresh"] is False
    assert_refused(client.as_(tokens).get("/probe/fresh"), "token_invalid")


def test_the_extension_refuses_the_token_of_an_ended_session(client, tokens):
    client.as_(tokens).post("/auth/logout")

    assert_refused(client.as_(tokens).get("/probe"), "token_revoked")


def test_the_extension_waves_nobody_through_when_nothing_is_known(client, tokens, memory):
    memory.read_at -= 5.1

    answer = client.as_(tokens).get("/probe")

    assert (answer.status_code, answer.json["code"]) == (503, "service_unavailable")
