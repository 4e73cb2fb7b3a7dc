"""Tokens of other clients and audiences: our own API rejects them though we signed them."""

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from gatehouse.tokens import service, specs
from gatehouse.tokens.jwt_verification import TokenMalformed, verify_jwt
from gatehouse.tokens.specs import AcceptedTokens, SessionClaims
from tests.tokens.forgery import ENDPOINTS, assert_rejected, case, decode_token

HOUR = timedelta(hours=1)
OTHER_AUDIENCE = "https://api.example.com"


@pytest.fixture
def issue(app, tokens):
    """Issue a token like one of the token response: issue("access_token", client_id="other")."""

    def issue(name, **changes):
        claims = decode_token(tokens[name])[1]
        names = ("sid", "jti", "auth_time", "amr", "acr", "roles")
        session = {each: claims[each] for each in names if each in claims}
        with app.app_context():
            own = specs.access_token("", HOUR) if "access" in name else specs.refresh_token(HOUR)
            spec = replace(own, **changes)
            return service.issue(
                spec, claims["sub"], SessionClaims(**session, issued_at=claims["iat"])
            )

    return issue


def test_token_of_our_own_api_is_accepted(client, issue):
    for name, endpoint in ENDPOINTS.items():
        with case(endpoint=name):
            assert endpoint.send(client, issue(endpoint.token_name)).status_code == 200


@pytest.mark.requirement("JW-05")
def test_token_of_another_client_or_audience_is_rejected(client, issue):
    changes = ({"client_id": "other"}, {"audience": OTHER_AUDIENCE}, {"client_id": ""})

    for (name, endpoint), change in itertools.product(ENDPOINTS.items(), changes):
        with case(endpoint=name, change=change):
            token = issue(endpoint.token_name, **change)
            assert_rejected(endpoint.send(client, token), "token_invalid")


@pytest.mark.requirement("JW-05")
def test_token_is_accepted_only_where_its_type_client_and_audience_are(app, issue):
    token = issue("access_token", client_id="other", audience=OTHER_AUDIENCE, scope="read write")
    accepted = AcceptedTokens("access", ("https://a.example", OTHER_AUDIENCE), ("another", "other"))

    with app.app_context():
        claims = verify_jwt(token, accepted)

        assert (claims["client_id"], claims["aud"]) == ("other", OTHER_AUDIENCE)
        assert claims["scope"] == "read write"
        for change in ({"type": "refresh"}, {"audiences": ()}, {"client_ids": ("another",)}):
            with case(change=change), pytest.raises(TokenMalformed):
                verify_jwt(token, replace(accepted, **change))


def test_token_lives_as_long_as_its_spec_says(issue):
    for name in ("access_token", "refresh_token"):
        claims = decode_token(issue(name, lifetime=timedelta(seconds=90)))[1]
        assert claims["exp"] - claims["iat"] == 90
