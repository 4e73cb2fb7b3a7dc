"""`/gateway/verify`: which requests pass, and which identity headers they get."""

import io
import itertools
import socket
from contextlib import suppress

import pytest

from tests.client import User
from tests.tokens.forgery import Forger, assert_rejected, case, decode_token

IDENTITY = ("X-Auth-User", "X-Auth-Session", "X-Auth-Roles", "X-Auth-Scope")
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.fixture
def tokens(client, make_user):
    return client.log_in(make_user())


@pytest.fixture
def verify(app):
    """Send a request: verify(access token, method=..., ...)."""

    def verify(token=None, method="GET", path="/gateway/verify", **request):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return app.test_client(use_cookies=False).open(
            path, method=method, headers=headers, **request
        )

    return verify


@pytest.mark.requirement("GW-01")
@pytest.mark.stores
def test_forward_auth_passes_a_valid_token_with_the_identity_of_its_user(verify, tokens):
    claims = decode_token(tokens["access_token"])[1]

    response = verify(tokens["access_token"])

    assert (response.status_code, response.data) == (200, b"")
    assert [response.headers[name] for name in IDENTITY] == [
        tokens["user"]["id"],
        claims["sid"],
        "user",
        "",
    ]
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", METHODS)
def test_forward_auth_accepts_every_method(verify, tokens, method):
    passed, rejected = verify(tokens["access_token"], method), verify(None, method)

    assert passed.status_code == 200
    assert passed.headers["X-Auth-User"] == tokens["user"]["id"]
    assert rejected.status_code == 401
    assert "X-Auth-User" not in rejected.headers


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
def test_forward_auth_passes_no_unknown_method(verify, tokens, method):
    assert verify(tokens["access_token"], method).status_code == 405


def test_forward_auth_rejects_a_missing_token_with_a_challenge(verify):
    response = verify()

    assert_rejected(response, "token_missing")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="gatehouse"'
    assert not any(name in response.headers for name in IDENTITY)


@pytest.mark.requirement("GW-01")
def test_forward_auth_rejects_an_invalid_token_with_a_challenge(verify):
    response = verify("a.b.c")

    assert_rejected(response, "token_invalid")
    challenge = 'Bearer realm="gatehouse", error="invalid_token"'
    assert response.headers["WWW-Authenticate"] == challenge


def test_forward_auth_passes_no_expired_token(verify, tokens, time_machine):
    time_machine.move_to(decode_token(tokens["access_token"])[1]["exp"] + 5)

    assert_rejected(verify(tokens["access_token"]), "token_expired")


def test_forward_auth_passes_no_token_of_an_ended_session(client, verify, tokens):
    client.as_(tokens).post("/auth/logout")

    assert_rejected(verify(tokens["access_token"]), "token_revoked")


def test_forward_auth_passes_no_refresh_token(verify, tokens):
    assert_rejected(verify(tokens["refresh_token"]), "token_invalid")


@pytest.mark.parametrize(
    "body",
    [
        {"data": b"a=b&c=d", "content_type": "application/x-www-form-urlencoded"},
        {"data": b"\xff\x00{{{", "content_type": "application/json"},
        {"data": b"x" * 1_000_000, "content_type": "application/octet-stream"},
        {"data": b"x", "content_type": ""},
        {"input_stream": io.BytesIO(b"3\r\nabc\r\n0\r\n\r\n"), "content_type": "text/plain"},
    ],
    ids=["form", "broken JSON", "large", "no type", "without length"],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_forward_auth_ignores_the_body_of_the_request(verify, tokens, method, body):
    response = verify(tokens["access_token"], method, **body)

    assert response.status_code == 200
    assert_rejected(verify(None, method, **body), "token_missing")


@pytest.mark.parametrize("name", ["access_token", "token", "jwt", "authorization"])
def test_forward_auth_rejects_a_token_in_the_url(verify, tokens, name):
    path = f"/gateway/verify?{name}={tokens['access_token']}"

    for token in (None, tokens["access_token"]):
        response = verify(token, path=path)
        assert (response.status_code, response.json["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("name", ["access_token", "__Host-access", "access_token_cookie"])
def test_forward_auth_ignores_a_token_in_a_form_or_a_cookie(app, client, tokens, name):
    token = tokens["access_token"]
    browser = app.test_client(use_cookies=False)  # a cookie jar would replace the header

    in_form = client.post("/gateway/verify", json={name: token})
    in_cookie = browser.get("/gateway/verify", headers={"Cookie": f"{name}={token}"})

    assert_rejected(in_form, "token_missing")
    assert_rejected(in_cookie, "token_missing")


@pytest.mark.requirement("GW-01")
@pytest.mark.parametrize("name", IDENTITY)
def test_forward_auth_returns_no_identity_headers_of_the_request(client, tokens, name):
    own = client.as_(tokens).get("/gateway/verify").headers[name]

    response = client.as_(tokens).get("/gateway/verify", headers={name: "another-user"})
    anonymous = client.get("/gateway/verify", headers={name: "another-user"})

    assert response.headers.getlist(name) == [own]
    assert name not in anonymous.headers


@pytest.mark.requirement("GW-04")
def test_forward_auth_adds_no_header_or_role_from_claims(app, client, tokens):
    forger = Forger(app)
    names = ("roles", "amr", "scope", "acr", "sub", "sid")
    values = (
        "a\r\nX-Auth-User: 1",
        "a\nb",
        "a\rb",
        "a\x00b",
        "é",
        "a\u2028b",
        "a\x7fb",
        " ",
        "a  b",
    )

    for name, text in itertools.product(names, values):
        value = [text] if name in ("roles", "amr") else text
        token = forger.sign_again(tokens["access_token"], claims={name: value})
        with case(name=name, text=text):
            assert_rejected(client.as_(token).get("/gateway/verify"), "token_invalid")


@pytest.mark.requirement("GW-04")
def test_forward_auth_rejects_a_role_with_a_space(app, client, tokens):
    token = Forger(app).sign_again(tokens["access_token"], claims={"roles": ["user admin"]})

    assert_rejected(client.as_(token).get("/gateway/verify"), "token_invalid")


def test_forward_auth_returns_roles_and_scopes(app, client, make_user):
    user = make_user()
    roles = ["admin", "user"]
    token = Forger(app).sign_again(
        client.log_in(user)["access_token"], claims={"roles": roles, "scope": "a b"}
    )

    response = client.as_(token).get("/gateway/verify")

    assert response.headers["X-Auth-Roles"] == "admin user"
    assert response.headers["X-Auth-Scope"] == "a b"


@pytest.mark.requirement("JW-11")
def test_forward_auth_accepts_large_bodies_and_rejects_large_tokens(live):
    tokens = live.client.log_in(live.client.sign_up(User("ada@example.com")))

    huge = send_huge_token(live)
    long = live.client.as_("x" * 10_000).get("/gateway/verify")
    good = live.client.as_(tokens).post("/gateway/verify", data=b"x" * 500_000)

    assert huge == 431
    assert_rejected(long, "token_invalid")
    assert (good.status_code, good.headers["X-Auth-User"]) == (200, tokens["user"]["id"])


def send_huge_token(live):
    """Send a token of a megabyte, and return the status of the response."""
    head = f"GET /gateway/verify HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {'x' * 10**6}"
    with socket.create_connection(("127.0.0.1", live.port), timeout=60) as connection:
        with suppress(
            BrokenPipeError, ConnectionResetError
        ):  # the server closes the connection before it has read all
            connection.sendall(f"{head}\r\n\r\n".encode())
        return int(connection.recv(1000).split()[1])
