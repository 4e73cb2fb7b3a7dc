"""Cookie mode: attributes of the cookies, authentication with them, and their renewal."""

import re

import pytest

from gatehouse.core import crypto
from gatehouse.tokens import jwt_verification
from models import Session
from tests.client import PASSWORD
from tests.rows import rows
from tests.sessions.cookies import (
    ACCESS,
    COOKIE_MODE_FIELDS,
    CSRF,
    DEVICE,
    REFRESH,
    login_form,
    read_set_cookies,
    with_cookies,
)
from tests.sessions.token_responses import session_id_of
from tests.sessions.writes import rows_except_audit
from tests.surface.conftest import read_problem, read_tables
from tests.tokens.forgery import ABSENT, Forger, assert_rejected, case, decode_token

ELSEWHERE = pytest.mark.settings(GATEHOUSE_PUBLIC_URL="http://auth.test:8000")


# Attributes


@pytest.mark.requirement("SE-01")
def test_cookies_of_a_login_have_all_protective_attributes(browser_client, user):
    response = browser_client.post("/auth/login", login_form(user))

    texts = response.headers.getlist("Set-Cookie")
    cookies = read_set_cookies(response)
    assert sorted(cookies) == sorted([ACCESS, REFRESH, CSRF, DEVICE])
    assert len(texts) == 4
    for name, cookie in cookies.items():
        assert cookie["secure"], name
        assert cookie["samesite"] == "Lax", name
        assert cookie["domain"] == "", name
        assert cookie["path"] == ("/auth" if name == REFRESH else "/"), name
        assert bool(cookie["httponly"]) == (name != CSRF), name
        assert len(name) + len(cookie.value) <= 4096, name
        assert re.fullmatch(r"[A-Za-z0-9._-]+", cookie.value), name


@pytest.mark.requirement("SE-01")
def test_cookies_expire_with_their_tokens(browser_client, user):
    cookies = read_set_cookies(browser_client.post("/auth/login", login_form(user)))

    ages = {name: int(cookie["max-age"]) for name, cookie in cookies.items()}
    for name in (ACCESS, REFRESH):
        claims = decode_token(cookies[name].value)[1]
        assert abs(claims["exp"] - claims["iat"] - ages[name]) <= 1
    assert (ages[CSRF], ages[DEVICE]) == (ages[REFRESH], 400 * 24 * 3600)


@pytest.mark.requirement("SE-01")
def test_cookie_mode_returns_no_token_in_the_body(browser_client, user):
    responses = [browser_client.post("/auth/login", login_form(user))]
    cookie_tokens = browser_client.read_tokens(responses[0])
    responses.append(browser_client.refresh(cookie_tokens))

    for response in responses:
        secrets = [
            cookie.value for name, cookie in read_set_cookies(response).items() if name != CSRF
        ]
        assert response.json.keys() == COOKIE_MODE_FIELDS
        assert response.json["csrf_token"] == read_set_cookies(response)[CSRF].value
        assert not any(secret in response.text for secret in secrets)
        assert response.headers["Cache-Control"] == "no-store"
    assert DEVICE not in read_set_cookies(responses[1])


def test_body_mode_is_the_default_and_sets_no_cookie(client, user):
    for form in (login_form(user, "body"), {"identifier": user.email, "password": PASSWORD}):
        response = client.post("/auth/login", form)

        assert response.json["token_type"] == "Bearer"
        assert "csrf_token" not in response.json
        assert "Set-Cookie" not in response.headers


def test_transport_that_is_unknown_is_rejected(client, user):
    for transport in ("", "Cookie", "header", None, 1, ["cookie"]):
        with case(transport=transport):
            response = client.post("/auth/login", login_form(user, transport))

            assert read_problem(response) == (422, "validation_failed")
            assert response.json["errors"].keys() == {"transport"}


@ELSEWHERE
def test_cookie_mode_is_rejected_where_browsers_would_drop_the_cookies(app, client, user):
    before = read_tables(app)

    response = client.post("/auth/login", login_form(user))

    assert read_problem(response) == (422, "validation_failed")
    [problem] = response.json["errors"]["transport"]
    assert problem["code"] == "cookies_impossible"
    assert "https" in problem["message"]
    assert "http://localhost" in problem["message"]
    assert read_tables(app) == before
    assert client.log_in(user, transport="body")["status"] == "authenticated"


@pytest.mark.parametrize("host", ["https://auth.test", "http://127.0.0.1:1", "http://[::1]:1"])
def test_cookie_mode_works_with_https_and_local_urls(request, host):
    request.node.add_marker(pytest.mark.settings(GATEHOUSE_PUBLIC_URL=host))
    client, make_user = map(request.getfixturevalue, ("client", "make_user"))

    assert ACCESS in read_set_cookies(client.post("/auth/login", login_form(make_user())))


# Authentication


def test_access_cookie_authenticates_like_a_bearer_token(browser_client, cookie_tokens, user):
    mine = browser_client.as_(cookie_tokens)

    assert mine.get("/auth/me").json["email"] == user.email
    assert mine.patch("/auth/me", {"name": "Ada"}).json["name"] == "Ada"
    [session] = mine.get("/auth/sessions").json["items"]
    assert session["current"]


def test_cookie_mode_without_cookies_is_not_authenticated(browser_client, cookie_tokens):
    assert_rejected(browser_client.get("/auth/me"), "token_missing")
    assert_rejected(browser_client.post("/auth/refresh"), "token_missing")
    assert_rejected(browser_client.post("/auth/refresh", {}), "token_missing")
    assert_rejected(browser_client.get("/auth/csrf"), "token_missing")


@pytest.mark.requirement("SE-02")
@pytest.mark.parametrize("name", ["access", "refresh"])
def test_cookie_with_a_changed_token_is_rejected(app, browser_client, cookie_tokens, name):
    original = cookie_tokens.cookies[ACCESS if name == "access" else REFRESH]
    send = {
        "access": lambda cookie_tokens: browser_client.as_(cookie_tokens).get("/auth/me"),
        "refresh": browser_client.refresh,
    }[name]
    forger = Forger(app)
    tampered = [
        original[:place] + ("A" if original[place] != "A" else "B") + original[place + 1 :]
        for place in range(0, len(original), 23)
        if original[place] != "."
    ]
    tampered += [forger.sign_again(original, claims={"sid": str(crypto.new_id())[:-1]})]
    tampered += [forger.sign_again(original, claims={"sub": ABSENT}), original[:-1], "a.b.c", "x"]
    tampered += [cookie_tokens.cookies[REFRESH if name == "access" else ACCESS]]
    before = read_tables(app)["sessions"]

    for token in tampered:
        assert_rejected(send(with_cookies(cookie_tokens, **{name: token})), "token_invalid")

    assert read_tables(app)["sessions"] == before
    assert send(cookie_tokens).status_code == 200


@pytest.mark.requirement("SE-02")
def test_cookies_are_not_stored_in_the_database(app, browser_client, cookie_tokens):
    stored = str(read_tables(app))

    assert not [name for name, value in cookie_tokens.cookies.items() if value in stored]


@pytest.mark.requirement("AP-11")
def test_cookie_sent_twice_is_rejected(app, browser_client, cookie_tokens, client, user):
    attacker = browser_client.log_in(user)
    before = read_tables(app)
    headers = [
        f"{ACCESS}={cookie_tokens.cookies[ACCESS]}; {ACCESS}={attacker.cookies[ACCESS]}",
        f"{ACCESS}={cookie_tokens.cookies[ACCESS]}, {ACCESS}={cookie_tokens.cookies[ACCESS]}",
        f'{ACCESS}="{cookie_tokens.cookies[ACCESS]}"',
        f"{ACCESS}={cookie_tokens.cookies[ACCESS]}; {DEVICE}=a; {DEVICE}=b",
    ]

    for text in headers:
        responses = [browser_client.get("/auth/me", headers={"Cookie": text})]
        responses.append(
            browser_client.post("/auth/login", login_form(user), headers={"Cookie": text})
        )
        assert {read_problem(response) for response in responses} == {(400, "malformed_request")}, (
            text
        )

    assert read_tables(app) == before


@pytest.mark.requirement("AP-11")
def test_planted_refresh_cookie_blocks_the_refresh_but_no_other_request(
    app, browser_client, cookie_tokens, user
):
    attacker = browser_client.log_in(user)
    pairs = "; ".join(f"{name}={value}" for name, value in cookie_tokens.cookies.items())
    planted = {"Cookie": f"{REFRESH}={attacker.cookies[REFRESH]}; {pairs}"}
    mine = browser_client.as_(cookie_tokens)
    before = read_tables(app)

    assert read_problem(mine.post("/auth/refresh", headers=planted)) == (400, "malformed_request")

    assert read_tables(app) == before
    assert mine.get("/auth/me", headers=planted).status_code == 200
    assert mine.post("/auth/logout", headers=planted).status_code == 204
    assert browser_client.post("/auth/login", login_form(user), headers=planted).status_code == 200


@pytest.mark.requirement("SE-10")
def test_planted_refresh_cookie_alone_does_not_sign_its_victim_in(
    app, browser_client, cookie_tokens
):
    """A sibling host can plant its own session's cookie, and a page would refresh it on load."""
    planted = {"Cookie": f"{REFRESH}={cookie_tokens.cookies[REFRESH]}"}
    other = {"Cookie": f"{REFRESH}={cookie_tokens.cookies[REFRESH]}; {CSRF}={'0' * 64}"}
    before = rows_except_audit(app)

    for cookies in (planted, other):
        assert read_problem(browser_client.get("/auth/csrf", headers=cookies)) == (
            401,
            "token_missing",
        )
        assert read_problem(browser_client.post("/auth/refresh", headers=cookies)) == (
            403,
            "csrf_failed",
        )

    assert rows_except_audit(app) == before


# Renewal


@pytest.mark.stores
def test_refresh_renews_the_cookies_and_keeps_the_session(app, browser_client, cookie_tokens):
    renewed = browser_client.renew(cookie_tokens)

    assert renewed.keys() == COOKIE_MODE_FIELDS
    assert renewed["csrf_token"] == cookie_tokens["csrf_token"]
    assert session_id_of(renewed) == session_id_of(cookie_tokens)
    assert renewed.cookies[REFRESH] != cookie_tokens.cookies[REFRESH]
    assert browser_client.as_(renewed).get("/auth/me").status_code == 200
    assert len(rows(app, Session)) == 1


def test_refresh_by_cookie_needs_no_body(browser_client, cookie_tokens):
    for body in ({}, {"json": {}}, {"data": b"", "content_type": "text/plain"}):
        with case(body=body):
            assert (
                browser_client.as_(cookie_tokens).post("/auth/refresh", **body).status_code == 200
            )


def test_refresh_token_in_the_body_is_answered_in_the_body(
    client, browser_client, cookie_tokens, user
):
    tokens = client.log_in(user)
    form = {"refresh_token": tokens["refresh_token"]}

    response = browser_client.as_(cookie_tokens).post(
        "/auth/refresh", form, headers={"X-CSRF-Token": None}
    )

    assert (
        decode_token(response.json["refresh_token"])[1]["sid"]
        == decode_token(tokens["access_token"])[1]["sid"]
    )
    assert "Set-Cookie" not in response.headers


@pytest.mark.requirement("SE-13")
def test_refresh_cookie_is_verified_once(mine, monkeypatch):
    verify, verified = jwt_verification.verify_jwt, []
    monkeypatch.setattr(
        jwt_verification, "verify_jwt", lambda *args: verified.append(args) or verify(*args)
    )

    response = mine.post("/auth/refresh")

    assert response.status_code == 200
    assert len(verified) == 1


def test_refresh_cookie_is_ignored_with_a_bearer_token(client, browser_client, cookie_tokens, user):
    tokens = client.log_in(user)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}

    assert_rejected(
        browser_client.as_(cookie_tokens).post("/auth/refresh", headers=bearer), "token_missing"
    )

    assert browser_client.refresh(cookie_tokens).status_code == 200
