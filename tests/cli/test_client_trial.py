"""`gatehouse clients try`: which clients it cannot try, and what it checks of an ID token."""

from __future__ import annotations

import time

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from gatehouse.cli.client_trial.id_token_checks import Expected, check_id_token
from gatehouse.cli.client_trial.messages import Message, field_lines, to_page
from models import OAuthClient
from tests.oauth.conftest import add_row, client_columns
from tests.oauth.relying_party import left_hash
from tests.tokens.forgery import case

ISSUER = "https://login.example.com"
EXPECTED = Expected(ISSUER, "shop", "the nonce", "the access token")


@pytest.fixture(scope="module")
def signing_key():
    return RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256"}, private=True)


def id_token(key, **changes):
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "shop",
        "sub": "ada",
        "iat": now,
        "exp": now + 300,
        "nonce": "the nonce",
        "at_hash": left_hash("the access token", "RS256"),
    }
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims | changes, key)


def wrong_checks(token, key):
    jwks = {"keys": [key.as_dict(private=False)]}
    return [check.name for check in check_id_token(token, jwks, EXPECTED) if not check.ok]


def test_trial_accepts_a_right_id_token(signing_key):
    assert wrong_checks(id_token(signing_key), signing_key) == []


def test_trial_names_what_is_wrong_with_an_id_token(signing_key):
    past = int(time.time()) - 3600
    wrong = {
        "iss": "https://evil.example.com",
        "aud": ["shop", "other"],
        "sub": "",
        "exp": past,
        "iat": past + 7200,
        "nonce": "another",
        "at_hash": left_hash("another token", "RS256"),
    }
    for name, value in wrong.items():
        with case(claim=name):
            assert wrong_checks(id_token(signing_key, **{name: value}), signing_key) == [name]

    other = RSAKey.generate_key(2048, {"kid": "one", "alg": "RS256"}, private=True)
    assert wrong_checks(id_token(other), signing_key) == ["signature"]


def test_trial_says_why_a_client_cannot_be_tried(app):
    clients = {
        "web": {},
        "service": {"kind": "service", "grant_types": ["client_credentials"]},
        "key": {"authentication_method": "private_key_jwt"},
        "off": {"enabled": False},
    }
    for client_id, columns in clients.items():
        add_client(app, client_id, columns)
    expected = {
        "web": "Add http://127.0.0.1/callback to its redirect URIs",
        "service": "signs no users in",
        "key": "a private key, which this command does not have",
        "off": "There is no enabled client off.",
        "unknown": "There is no enabled client unknown.",
    }

    for client_id, sentence in expected.items():
        with case(client=client_id):
            result = app.test_cli_runner().invoke(args=["clients", "try", client_id])
            assert result.exit_code == 1
            assert sentence in result.output


def add_client(app, client_id, columns):
    add_row(app, OAuthClient(**client_columns(id=client_id, **columns)))


def test_trial_shows_no_secret_and_escapes_what_it_shows():
    lines = field_lines({"code": "0123456789abcdef", "state": "<b>"})

    page = to_page("shop", [Message("Answer", lines)], {"Sign in": "/start"})

    assert lines == ("code = 01234567... (16 characters)", "state = <b>")
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
