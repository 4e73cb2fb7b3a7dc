"""What a gateway is told about a request, on every request."""

import io
import itertools
import socket
from contextlib import suppress

import pytest

from tests.client import User
from tests.tokens.forgery import Forger, assert_refused, case, read

IDENTITY = ("X-Auth-User", "X-Auth-Session", "X-Auth-Roles", "X-Auth-Scope")
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.fixture
def tokens(client, make_user):
    return client.log_in(make_user())


@pytest.fixture
def ask(client):
    """Ask the gateway's question: ask(token, method=..., ...)."""

    def verify(token=None, method="GET", path="/gateway/verify", **request):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return client._door.open(path, method=method, headers=headers, **request)

    return verify


@pytest.mark.stores
def test_a_live_token_passes_with_the_identity_of_its_owner(client, ask, tokens):
    claims = read(tokens["access_token"])[1]

    answer = ask(tokens["access_token"])

    assert (answer.status_code, answer.data) == (200, b"")
    assert [answer.headers[name] for name in IDENTITY] == [
        tokens["user"]["id"],
        claims["sid"],
        "user",
        "",
    ]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_answered_alike(ask, tokens, method):
    passed, refused = ask(tokens["access_token"], method), ask(None, method)

    assert passed.status_code == 200
    assert passed.headers["X-Auth-User"] == tokens["user"]["id"]
    assert refused.status_code == 401
    assert "X-Auth-User" not in refused.headers


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
def test_a_method_that_nobody_knows_does_not_pass(ask, tokens, method):
    assert ask(tokens["access_token"], method).status_code == 405


def test_who_sends_no_token_is_told_how_to_sign_in(ask):
    answer = ask()

    assert_refused(answer, "token_missing")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="gatehouse"'
    assert not any(name in answer.headers for name in IDENTITY)


def test_who_sends_a_bad_token_is_told_that(ask):
    answer = ask("a.b.c")

    assert_refused(answer, "token_invalid")
    challenge = 'Bearer realm="gatehouse", error="invalid_token"'
    assert answer.headers["WWW-Authenticate"] == challenge


def test_an_expired_token_does_not_pass(ask, tokens, time_machine):
    time_machine.move_to(read(tokens["access_token"])[1]["exp"] + 5)

    assert_refused(ask(tokens["access_token"]), "token_expired")


def test_the_token_of_an_ended_session_does_not_pass(client, ask, tokens):
    client.as_(tokens).post("/auth/logout")

    assert_refused(ask(tokens["access_token"]), "token_revoked")


def test_a_refresh_token_does_not_pass(ask, tokens):
    assert_refused(ask(tokens["refresh_token"]), "token_invalid")


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
def test_the_body_of_the_request_is_nobodys_business(ask, tokens, method, body):
    answer = ask(tokens["access_token"], method, **body)

    assert answer.status_code == 200
    assert_refused(ask(None, method, **body), "token_missing")


@pytest.mark.parametrize("name", ["access_token", "token", "jwt", "authorization"])
def test_a_token_in_the_address_is_not_taken(ask, tokens, name):
    path = f"/gateway/verify?{name}={tokens['access_token']}"

    assert_refused(ask(None, path=path), "token_missing")


@pytest.mark.parametrize("name", ["access_token", "__Host-access", "access_token_cookie"])
def test_a_token_in_a_form_or_a_cookie_is_not_taken(app, client, tokens, name):
    token = tokens["access_token"]
    browser = app.test_client(use_cookies=False)  # a jar would replace the header

    in_form = client.post("/gateway/verify", json={name: token})
    in_cookie = browser.get("/gateway/verify", headers={"Cookie": f"{name}={token}"})

    assert_refused(in_form, "token_missing")
    assert_refused(in_cookie, "token_missing")


@pytest.mark.parametrize("name", IDENTITY)
def test_identity_headers_of_the_request_are_not_echoed(client, tokens, name):
    mine = client.as_(tokens).get("/gateway/verify").headers[name]

    answer = client.as_(tokens).get("/gateway/verify", headers={name: "somebody-else"})
    anonymous = client.get("/gateway/verify", headers={name: "somebody-else"})

    assert answer.headers.getlist(name) == [mine]
    assert name not in anonymous.headers


def test_no_claim_can_add_a_header_or_a_role(app, client, tokens):
    forger = Forger(app)
    names = ("roles", "amr", "scope", "acr", "sub", "sid")
    breaks = (
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

    for name, text in itertools.product(names, breaks):
        value = [text] if name in ("roles", "amr") else text
        token = forger.like(tokens["access_token"], claims={name: value})
        with case(name=name, text=text):
            assert_refused(client.as_(token).get("/gateway/verify"), "token_invalid")


def test_one_role_cannot_look_like_two(app, client, tokens):
    token = Forger(app).like(tokens["access_token"], claims={"roles": ["user admin"]})

    assert_refused(client.as_(token).get("/gateway/verify"), "token_invalid")


def test_the_roles_of_an_administrator_are_told(app, client, make_user):
    user = make_user()
    roles = ["admin", "user"]
    token = Forger(app).like(
        client.log_in(user)["access_token"], claims={"roles": roles, "scope": "a b"}
    )

    answer = client.as_(token).get("/gateway/verify")

    assert answer.headers["X-Auth-Roles"] == "admin user"
    assert answer.headers["X-Auth-Scope"] == "a b"


@pytest.mark.requirement("JW-11")
def test_a_running_server_takes_large_bodies_and_no_large_tokens(live):
    tokens = live.client.log_in(live.client.sign_up(User("ada@example.com")))

    huge = status_of_huge_token(live)
    long = live.client.as_("x" * 10_000).get("/gateway/verify")
    good = live.client.as_(tokens).post("/gateway/verify", data=b"x" * 500_000)

    assert huge == 431
    assert_refused(long, "token_invalid")
    assert (good.status_code, good.headers["X-Auth-User"]) == (200, tokens["user"]["id"])


def status_of_huge_token(live):
    """Send a token of a megabyte as it comes, and return the status of the answer."""
    head = f"GET /gateway/verify HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {'x' * 10**6}"
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough
            connection.sendall(f"{head}\r\n\r\n".encode())
        return int(connection.recv(1000).split()[1])
