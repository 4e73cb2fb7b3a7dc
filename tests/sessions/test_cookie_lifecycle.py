"""Cookie mode: login replaces cookies, logout deletes them; device cookies; tokens in URLs."""

import itertools

import pytest

from models import Device, Session
from tests.rows import audited, rows
from tests.sessions.cookies import (
    ACCESS,
    CSRF,
    DEVICE,
    REFRESH,
    login_form,
    read_set_cookies,
    with_cookies,
)
from tests.sessions.token_responses import session_id_of
from tests.surface.conftest import read_problem
from tests.tokens.forgery import assert_rejected, case

# Login


@pytest.mark.stores
@pytest.mark.requirement("SE-03")
def test_login_ends_the_previous_session_of_the_browser(app, browser_client, user, make_user):
    preset = browser_client.log_in(make_user())

    fresh = browser_client.as_(preset).read_tokens(
        browser_client.as_(preset).post("/auth/login", login_form(user))
    )

    assert session_id_of(fresh) != session_id_of(preset)
    assert_rejected(browser_client.as_(preset).get("/auth/me"), "token_revoked")
    assert_rejected(browser_client.refresh(preset), "session_ended")
    assert browser_client.as_(fresh).get("/auth/me").json["email"] == user.email
    [ended] = audited(app, "session.ended")
    assert (str(ended.session_id), ended.details["reason"]) == (
        session_id_of(preset),
        "replaced_by_login",
    )


@pytest.mark.requirement("SE-03")
def test_login_ends_the_previous_session_by_the_refresh_cookie_alone(
    browser_client, cookie_tokens, user
):
    alone = with_cookies(cookie_tokens, access=None)

    assert browser_client.as_(alone).post("/auth/login", login_form(user)).status_code == 200

    assert_rejected(browser_client.refresh(cookie_tokens), "session_ended")


@pytest.mark.requirement("SE-03")
def test_login_that_fails_or_uses_body_mode_ends_no_session_of_the_browser(
    browser_client, cookie_tokens, user
):
    for wrong in ({"password": "a wrong password 42"}, {"transport": "body"}):
        with case(wrong=wrong):
            browser_client.as_(cookie_tokens).post("/auth/login", login_form(user) | wrong)

            assert browser_client.as_(cookie_tokens).get("/auth/me").status_code == 200


def test_login_is_not_blocked_by_stale_or_malformed_cookies(
    browser_client, cookie_tokens, user, wait
):
    stale = with_cookies(cookie_tokens, access="a.b.c", refresh="nonsense")
    assert browser_client.as_(stale).post("/auth/login", login_form(user)).status_code == 200

    wait(days=15)
    assert (
        browser_client.as_(cookie_tokens).post("/auth/login", login_form(user)).status_code == 200
    )


# Logout


@pytest.mark.stores
@pytest.mark.requirement("SE-05", "SE-11")
def test_logout_ends_the_session_and_deletes_its_cookies(app, browser_client, cookie_tokens):
    response = browser_client.as_(cookie_tokens).post("/auth/logout")

    assert (response.status_code, response.data) == (204, b"")
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    gone = read_set_cookies(response)
    assert sorted(gone) == sorted([ACCESS, REFRESH, CSRF])  # the device cookie stays
    for name, cookie in gone.items():
        assert (cookie.value, cookie["max-age"]) == ("", "0")
        assert cookie["path"] == ("/auth" if name == REFRESH else "/")
        assert cookie["secure"], name
    assert_rejected(browser_client.as_(cookie_tokens).get("/auth/me"), "token_revoked")
    assert_rejected(browser_client.refresh(cookie_tokens), "session_ended")


@pytest.mark.requirement("SE-05", "SE-11")
def test_logout_without_a_valid_token_still_deletes_the_cookies(app, browser_client, cookie_tokens):
    for left in (
        {"access": "a.b.c", "refresh": "a.b.c"},
        {"access": None, "refresh": "a.b.c"},
        {"access": None, "refresh": None},
        {"access": None, "refresh": None, "csrf": None},
    ):
        with case(cookies=left):
            response = browser_client.as_(with_cookies(cookie_tokens, **left)).post("/auth/logout")

            assert response.status_code == 204
            assert "Clear-Site-Data" in response.headers
            assert sorted(read_set_cookies(response)) == sorted([ACCESS, REFRESH, CSRF])
            assert [session.ended_at for session in rows(app, Session)] == [None]


@pytest.mark.requirement("SE-05", "SE-11")
def test_logout_of_a_session_that_has_ended_deletes_the_cookies(
    app, client, browser_client, cookie_tokens, user
):
    client.as_(client.log_in(user)).post("/auth/logout", {"scope": "others"})

    response = browser_client.as_(cookie_tokens).post(
        "/auth/logout", headers={"X-CSRF-Token": None}
    )

    assert response.status_code == 204
    assert sorted(read_set_cookies(response)) == sorted([ACCESS, REFRESH, CSRF])
    assert len(audited(app, "session.ended")) == 1


@pytest.mark.requirement("SE-05")
def test_logout_works_with_the_refresh_cookie_alone(browser_client, cookie_tokens):
    response = browser_client.as_(with_cookies(cookie_tokens, access=None)).post("/auth/logout")

    assert response.status_code == 204
    assert_rejected(browser_client.as_(cookie_tokens).get("/auth/me"), "token_revoked")


def test_logout_of_other_sessions_keeps_the_cookies_of_this_one(
    browser_client, cookie_tokens, user
):
    other = browser_client.log_in(user)

    response = browser_client.as_(cookie_tokens).post("/auth/logout", {"scope": "others"})

    assert response.status_code == 204
    assert "Set-Cookie" not in response.headers
    assert "Clear-Site-Data" not in response.headers
    assert browser_client.as_(cookie_tokens).get("/auth/me").status_code == 200
    assert_rejected(browser_client.as_(other).get("/auth/me"), "token_revoked")


def test_logout_of_all_sessions_deletes_the_cookies(browser_client, cookie_tokens, user):
    other = browser_client.log_in(user)

    response = browser_client.as_(cookie_tokens).post("/auth/logout", {"scope": "global"})

    assert sorted(read_set_cookies(response)) == sorted([ACCESS, REFRESH, CSRF])
    assert "Clear-Site-Data" in response.headers
    for ended in (cookie_tokens, other):
        assert_rejected(browser_client.as_(ended).get("/auth/me"), "token_revoked")


@pytest.mark.parametrize("scope", ["others", "global"])
def test_logout_of_other_sessions_needs_a_valid_access_cookie(browser_client, cookie_tokens, scope):
    form = {"scope": scope}

    without = browser_client.as_(with_cookies(cookie_tokens, access=None)).post(
        "/auth/logout", form
    )
    broken = browser_client.as_(with_cookies(cookie_tokens, access="a.b.c")).post(
        "/auth/logout", form
    )

    assert_rejected(without, "token_missing")
    assert_rejected(broken, "token_invalid")
    assert browser_client.as_(cookie_tokens).get("/auth/me").status_code == 200


def test_logout_in_body_mode_deletes_no_cookies(client, user):
    response = client.as_(client.log_in(user)).post("/auth/logout")

    assert response.status_code == 204
    assert "Clear-Site-Data" not in response.headers
    assert "Set-Cookie" not in response.headers


# Device cookie


@pytest.mark.stores
def test_device_cookie_is_kept_by_later_logins_with_a_row_for_each_user(
    app, browser_client, user, make_user
):
    first = browser_client.log_in(user)
    again = browser_client.as_(first).read_tokens(
        browser_client.as_(first).post("/auth/login", login_form(user))
    )
    second = make_user()
    response = browser_client.as_(again).post("/auth/login", login_form(second))

    assert (
        read_set_cookies(response)[DEVICE].value == again.cookies[DEVICE] == first.cookies[DEVICE]
    )
    assert len(rows(app, Device)) == 2
    assert len({device.user_id for device in rows(app, Device)}) == 2


def test_device_token_from_a_cookie_is_not_returned_in_the_body(
    browser_client, cookie_tokens, user
):
    response = browser_client.as_(cookie_tokens).post("/auth/login", login_form(user, "body"))

    assert response.status_code == 200
    assert "device_token" not in response.json
    assert cookie_tokens.cookies[DEVICE] not in response.text


def test_device_token_that_is_unknown_is_replaced(browser_client, cookie_tokens, user):
    invented = with_cookies(cookie_tokens, device="A" * 43)

    by_cookie = browser_client.as_(invented).post("/auth/login", login_form(user))
    by_body = browser_client.as_(invented).post("/auth/login", login_form(user, "body"))

    assert read_set_cookies(by_cookie)[DEVICE].value != "A" * 43
    assert len(by_body.json["device_token"]) == 43
    assert by_body.json["device_token"] != "A" * 43


def test_device_header_takes_precedence_over_the_device_cookie(
    app, client, browser_client, cookie_tokens, user
):
    device_token = client.log_in(user)["device_token"]

    response = browser_client.as_(cookie_tokens).post(
        "/auth/login", login_form(user, "body"), headers={"X-Device-Token": device_token}
    )

    assert response.json["device_token"] == device_token
    assert len(rows(app, Device)) == 2


# URLs and caches


@pytest.mark.requirement("SE-12")
def test_token_in_the_url_is_ignored(client, mine, user):
    tokens = client.log_in(user)
    names = ("access_token", "token", "refresh_token", ACCESS, "csrf_token")
    values = (tokens["access_token"], tokens["refresh_token"], mine.cookies[CSRF])

    for name, value in itertools.product(names, values):
        query = {"query_string": {name: value}}
        with case(name=name, value=value):
            assert_rejected(client.get("/auth/me", **query), "token_missing")
            gateway = client.get("/gateway/verify", **query)
            assert read_problem(gateway) == (400, "malformed_request")
            assert_rejected(client.post("/auth/refresh", **query), "token_missing")
            write = mine.patch("/auth/me", {"name": "X"}, headers={"X-CSRF-Token": None}, **query)
            assert read_problem(write) == (403, "csrf_failed")
    assert client.get("/auth/me").headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.requirement("SE-11")
def test_cache_control_is_no_store_for_authentication_responses(
    app, client, browser_client, cookie_tokens
):
    mine = browser_client.as_(cookie_tokens)
    responses = [
        mine.get("/auth/me"),
        mine.get("/auth/csrf"),
        mine.get("/auth/sessions"),
        mine.post("/auth/refresh"),
        mine.post("/auth/logout", headers={"X-CSRF-Token": "wrong"}),
        mine.post("/auth/logout"),
        mine.post("/auth/login", {}),
    ]

    assert {response.headers["Cache-Control"] for response in responses} == {"no-store"}
