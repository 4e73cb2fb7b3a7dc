"""Cookie mode: what the cookies are, what they open and how they are renewed."""

import re

import pytest

from gatehouse.core import crypto
from models import Session
from tests.client import PASSWORD
from tests.rows import rows
from tests.sessions.browsing import (
    ACCESS,
    ANSWER,
    CSRF,
    DEVICE,
    REFRESH,
    changed,
    given,
    login_form,
    sid_of,
)
from tests.sessions.writes import all_but_audit
from tests.surface.conftest import contents, verdict
from tests.tokens.forgery import ABSENT, Forger, assert_refused, read

ELSEWHERE = pytest.mark.settings(GATEHOUSE_PUBLIC_URL="http://auth.test:8000")


# What they are


@pytest.mark.requirement("SE-01")
def test_a_login_sets_four_cookies_with_everything_that_protects_them(browser, user):
    answer = browser.post("/auth/login", login_form(user))

    texts = answer.headers.getlist("Set-Cookie")
    cookies = given(answer)
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
def test_a_cookie_lives_as_long_as_its_token(browser, user):
    cookies = given(browser.post("/auth/login", login_form(user)))

    ages = {name: int(cookie["max-age"]) for name, cookie in cookies.items()}
    for name in (ACCESS, REFRESH):
        claims = read(cookies[name].value)[1]
        assert abs(claims["exp"] - claims["iat"] - ages[name]) <= 1
    assert (ages[CSRF], ages[DEVICE]) == (ages[REFRESH], 400 * 24 * 3600)


@pytest.mark.requirement("SE-01")
def test_no_token_stands_in_a_body(browser, user):
    answers = [browser.post("/auth/login", login_form(user))]
    held = browser.held(answers[0])
    answers.append(browser.refresh(held))

    for answer in answers:
        secrets = [cookie.value for name, cookie in given(answer).items() if name != CSRF]
        assert answer.json.keys() == ANSWER
        assert answer.json["csrf_token"] == given(answer)[CSRF].value
        assert not any(secret in answer.text for secret in secrets)
        assert answer.headers["Cache-Control"] == "no-store"
    assert DEVICE not in given(answers[1])


def test_body_mode_is_the_default_and_sets_no_cookie(client, user):
    for form in (login_form(user, "body"), {"identifier": user.email, "password": PASSWORD}):
        answer = client.post("/auth/login", form)

        assert answer.json["token_type"] == "Bearer"
        assert "csrf_token" not in answer.json
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("transport", ["", "Cookie", "header", None, 1, ["cookie"]])
def test_another_transport_is_refused(client, user, transport):
    answer = client.post("/auth/login", login_form(user, transport))

    assert verdict(answer) == (422, "validation_failed")
    assert answer.json["errors"].keys() == {"transport"}


@ELSEWHERE
def test_where_browsers_would_drop_the_cookies_the_login_says_what_is_needed(app, client, user):
    before = contents(app)

    answer = client.post("/auth/login", login_form(user))

    assert verdict(answer) == (422, "validation_failed")
    [problem] = answer.json["errors"]["transport"]
    assert problem["code"] == "cookies_impossible"
    assert "https" in problem["message"]
    assert "http://localhost" in problem["message"]
    assert contents(app) == before
    assert client.log_in(user, transport="body")["status"] == "authenticated"


@pytest.mark.parametrize("host", ["https://auth.test", "http://127.0.0.1:1", "http://[::1]:1"])
def test_where_browsers_keep_the_cookies_the_login_sets_them(request, host):
    request.node.add_marker(pytest.mark.settings(GATEHOUSE_PUBLIC_URL=host))
    client, make_user = map(request.getfixturevalue, ("client", "make_user"))

    assert ACCESS in given(client.post("/auth/login", login_form(make_user())))


# What they open


def test_the_access_cookie_opens_what_the_bearer_token_does(browser, held, user):
    mine = browser.as_(held)

    assert mine.get("/auth/me").json["email"] == user.email
    assert mine.patch("/auth/me", {"name": "Ada"}).json["name"] == "Ada"
    [session] = mine.get("/auth/sessions").json["items"]
    assert session["current"]


def test_without_a_cookie_nothing_opens(browser, held):
    assert_refused(browser.get("/auth/me"), "token_missing")
    assert_refused(browser.post("/auth/refresh"), "token_missing")
    assert_refused(browser.post("/auth/refresh", {}), "token_missing")
    assert_refused(browser.get("/auth/csrf"), "token_missing")


@pytest.mark.requirement("SE-02")
@pytest.mark.parametrize("name", ["access", "refresh"])
def test_no_part_of_a_token_in_a_cookie_can_be_changed(app, browser, held, name):
    original = held.cookies[ACCESS if name == "access" else REFRESH]
    knock = {
        "access": lambda held: browser.as_(held).get("/auth/me"),
        "refresh": browser.refresh,
    }[name]
    forger = Forger(app)
    tampered = [
        original[:place] + ("A" if original[place] != "A" else "B") + original[place + 1 :]
        for place in range(0, len(original), 23)
        if original[place] != "."
    ]
    tampered += [forger.like(original, claims={"sid": str(crypto.new_id())[:-1]})]
    tampered += [forger.like(original, claims={"sub": ABSENT}), original[:-1], "a.b.c", "x"]
    tampered += [held.cookies[REFRESH if name == "access" else ACCESS]]
    before = contents(app)["sessions"]

    for token in tampered:
        assert_refused(knock(changed(held, **{name: token})), "token_invalid")

    assert contents(app)["sessions"] == before
    assert knock(held).status_code == 200


@pytest.mark.requirement("SE-02")
def test_the_database_has_no_cookie_in_it(app, browser, held):
    stored = str(contents(app))

    assert not [name for name, value in held.cookies.items() if value in stored]


@pytest.mark.requirement("AP-11")
def test_a_cookie_that_stands_twice_opens_nothing(app, browser, held, client, user):
    stranger = browser.log_in(user)
    before = contents(app)
    headers = [
        f"{ACCESS}={held.cookies[ACCESS]}; {ACCESS}={stranger.cookies[ACCESS]}",
        f"{ACCESS}={held.cookies[ACCESS]}, {ACCESS}={held.cookies[ACCESS]}",
        f'{ACCESS}="{held.cookies[ACCESS]}"',
        f"{ACCESS}={held.cookies[ACCESS]}; {DEVICE}=a; {DEVICE}=b",
    ]

    for text in headers:
        answers = [browser.get("/auth/me", headers={"Cookie": text})]
        answers.append(browser.post("/auth/login", login_form(user), headers={"Cookie": text}))
        assert {verdict(answer) for answer in answers} == {(400, "malformed_request")}, text

    assert contents(app) == before


@pytest.mark.requirement("AP-11")
def test_a_planted_refresh_cookie_refreshes_nothing_and_blocks_no_other_door(
    app, browser, held, user
):
    stranger = browser.log_in(user)
    pairs = "; ".join(f"{name}={value}" for name, value in held.cookies.items())
    planted = {"Cookie": f"{REFRESH}={stranger.cookies[REFRESH]}; {pairs}"}
    mine = browser.as_(held)
    before = contents(app)

    assert verdict(mine.post("/auth/refresh", headers=planted)) == (400, "malformed_request")

    assert contents(app) == before
    assert mine.get("/auth/me", headers=planted).status_code == 200
    assert mine.post("/auth/logout", headers=planted).status_code == 204
    assert browser.post("/auth/login", login_form(user), headers=planted).status_code == 200


@pytest.mark.requirement("SE-10")
def test_a_planted_refresh_cookie_alone_does_not_sign_its_victim_in(app, browser, held):
    """A sibling host can plant its own session's cookie, and a page would refresh it at start."""
    planted = {"Cookie": f"{REFRESH}={held.cookies[REFRESH]}"}
    other = {"Cookie": f"{REFRESH}={held.cookies[REFRESH]}; {CSRF}={'0' * 64}"}
    before = all_but_audit(app)

    for cookies in (planted, other):
        assert verdict(browser.get("/auth/csrf", headers=cookies)) == (401, "token_missing")
        assert verdict(browser.post("/auth/refresh", headers=cookies)) == (403, "csrf_failed")

    assert all_but_audit(app) == before


# How they are renewed


@pytest.mark.stores
def test_a_refresh_renews_the_cookies_and_keeps_the_session(app, browser, held):
    renewed = browser.renew(held)

    assert renewed.keys() == ANSWER
    assert renewed["csrf_token"] == held["csrf_token"]
    assert sid_of(renewed) == sid_of(held)
    assert renewed.cookies[REFRESH] != held.cookies[REFRESH]
    assert browser.as_(renewed).get("/auth/me").status_code == 200
    assert len(rows(app, Session)) == 1


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"data": b"", "content_type": "text/plain"}])
def test_a_refresh_by_cookie_needs_no_body(browser, held, body):
    assert browser.as_(held).post("/auth/refresh", **body).status_code == 200


def test_a_refresh_answers_in_the_way_the_token_came(client, browser, held, user):
    tokens = client.log_in(user)
    form = {"refresh_token": tokens["refresh_token"]}

    answer = browser.as_(held).post("/auth/refresh", form, headers={"X-CSRF-Token": None})

    assert read(answer.json["refresh_token"])[1]["sid"] == read(tokens["access_token"])[1]["sid"]
    assert "Set-Cookie" not in answer.headers


@pytest.mark.requirement("SE-13")
def test_with_a_bearer_token_the_refresh_cookie_is_not_looked_at(client, browser, held, user):
    tokens = client.log_in(user)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}

    assert_refused(browser.as_(held).post("/auth/refresh", headers=bearer), "token_missing")

    assert browser.refresh(held).status_code == 200
