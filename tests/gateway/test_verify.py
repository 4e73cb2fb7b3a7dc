"""What a gateway is told about a request, on every request."""

import io

import pytest

from tests.client import User
from tests.tokens.forgery import Forger, assert_refused, read

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
def test_a_token_in_a_form_or_a_cookie_is_not_taken(client, tokens, name):
    token = tokens["access_token"]

    in_form = client.post("/gateway/verify", json={name: token})
    in_cookie = client.get("/gateway/verify", headers={"Cookie": f"{name}={token}"})

    assert_refused(in_form, "token_missing")
    assert_refused(in_cookie, "token_missing")


@pytest.mark.parametrize("name", IDENTITY)
def test_identity_headers_of_the_request_are_not_echoed(client, tokens, name):
    mine = client.as_(tokens).get("/gateway/verify").headers[name]

    answer = client.as_(tokens).get("/gateway/verify", headers={name: "somebody-else"})
    anonymous = client.get("/gateway/verify", headers={name: "somebody-else"})

    assert answer.headers.getlist(name) == [mine]
    assert name not in anonymous.headers


@pytest.mark.parametrize(
    "text",
    ["a\r\nX-Auth-User: 1", "a\nb", "a\rb", "a\x00b", "a b", "", "é", "a\u2028b", "a\x7fb"],
    ids=repr,
)
@pytest.mark.parametrize("name", ["roles", "scope", "sub", "sid", "amr"])
def test_no_claim_can_add_a_header_or_a_role(app, client, tokens, name, text):
    if (name, text) in {("scope", "a b"), ("scope", "")}:
        return  # several permissions, or none

    value = [text] if name in ("roles", "amr") else text
    token = Forger(app).like(tokens["access_token"], claims={name: value})

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


def test_a_running_server_answers_the_same(live):
    tokens = live.client.log_in(live.client.sign_up(User("ada@example.com")))

    answer = live.client.as_(tokens).post("/gateway/verify", data=b"x" * 500_000)

    assert (answer.status_code, answer.headers["X-Auth-User"]) == (200, tokens["user"]["id"])
