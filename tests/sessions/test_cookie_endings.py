"""Cookie mode: how cookies are replaced and how they go, the device's, and what no URL holds."""

import pytest

from models import Device, Session
from tests.rows import audited, rows
from tests.sessions.browsing import (
    ACCESS,
    CSRF,
    DEVICE,
    REFRESH,
    changed,
    given,
    login_form,
    sid_of,
)
from tests.surface.conftest import verdict
from tests.tokens.forgery import assert_refused

# A login replaces them


@pytest.mark.stores
@pytest.mark.requirement("SE-03")
def test_a_login_kills_what_the_browser_held_before(app, browser, user, make_user):
    preset = browser.log_in(make_user())

    fresh = browser.as_(preset).held(browser.as_(preset).post("/auth/login", login_form(user)))

    assert sid_of(fresh) != sid_of(preset)
    assert_refused(browser.as_(preset).get("/auth/me"), "token_revoked")
    assert_refused(browser.refresh(preset), "session_ended")
    assert browser.as_(fresh).get("/auth/me").json["email"] == user.email
    [ended] = audited(app, "session.ended")
    assert (str(ended.session_id), ended.details["reason"]) == (sid_of(preset), "replaced_by_login")


@pytest.mark.requirement("SE-03")
def test_a_login_kills_the_former_session_by_the_refresh_cookie_alone(browser, held, user):
    alone = changed(held, access=None)

    assert browser.as_(alone).post("/auth/login", login_form(user)).status_code == 200

    assert_refused(browser.refresh(held), "session_ended")


@pytest.mark.requirement("SE-03")
@pytest.mark.parametrize("wrong", [{"password": "a wrong password 42"}, {"transport": "body"}])
def test_what_is_no_login_of_this_browser_kills_nothing(browser, held, user, wrong):
    browser.as_(held).post("/auth/login", login_form(user) | wrong)

    assert browser.as_(held).get("/auth/me").status_code == 200


def test_a_stale_or_broken_cookie_never_blocks_a_login(browser, held, user, wait):
    stale = changed(held, access="a.b.c", refresh="nonsense")
    assert browser.as_(stale).post("/auth/login", login_form(user)).status_code == 200

    wait(days=15)
    assert browser.as_(held).post("/auth/login", login_form(user)).status_code == 200


# How they go


@pytest.mark.stores
@pytest.mark.requirement("SE-05", "SE-11")
def test_logging_out_ends_the_session_and_clears_the_browser(app, browser, held):
    answer = browser.as_(held).post("/auth/logout")

    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    gone = given(answer)
    assert sorted(gone) == sorted([ACCESS, REFRESH, CSRF])  # the device stays known
    for name, cookie in gone.items():
        assert (cookie.value, cookie["max-age"]) == ("", "0")
        assert cookie["path"] == ("/auth" if name == REFRESH else "/")
        assert cookie["secure"], name
    assert_refused(browser.as_(held).get("/auth/me"), "token_revoked")
    assert_refused(browser.refresh(held), "session_ended")


@pytest.mark.requirement("SE-05", "SE-11")
@pytest.mark.parametrize(
    "left",
    [
        {"access": "a.b.c", "refresh": "a.b.c"},
        {"access": None, "refresh": "a.b.c"},
        {"access": None, "refresh": None},
        {"access": None, "refresh": None, "csrf": None},
    ],
)
def test_logging_out_without_a_good_token_clears_the_browser_all_the_same(app, browser, held, left):
    answer = browser.as_(changed(held, **left)).post("/auth/logout")

    assert answer.status_code == 204
    assert "Clear-Site-Data" in answer.headers
    assert sorted(given(answer)) == sorted([ACCESS, REFRESH, CSRF])
    assert [session.ended_at for session in rows(app, Session)] == [None]


@pytest.mark.requirement("SE-05", "SE-11")
def test_logging_out_of_a_session_that_was_ended_elsewhere_clears_the_browser(
    app, client, browser, held, user
):
    client.as_(client.log_in(user)).post("/auth/logout", {"scope": "others"})

    answer = browser.as_(held).post("/auth/logout", headers={"X-CSRF-Token": None})

    assert answer.status_code == 204
    assert sorted(given(answer)) == sorted([ACCESS, REFRESH, CSRF])
    assert len(audited(app, "session.ended")) == 1


@pytest.mark.requirement("SE-05")
def test_logging_out_works_with_the_refresh_cookie_alone(browser, held):
    answer = browser.as_(changed(held, access=None)).post("/auth/logout")

    assert answer.status_code == 204
    assert_refused(browser.as_(held).get("/auth/me"), "token_revoked")


def test_ending_the_other_sessions_keeps_this_browser_as_it_is(browser, held, user):
    other = browser.log_in(user)

    answer = browser.as_(held).post("/auth/logout", {"scope": "others"})

    assert answer.status_code == 204
    assert "Set-Cookie" not in answer.headers
    assert "Clear-Site-Data" not in answer.headers
    assert browser.as_(held).get("/auth/me").status_code == 200
    assert_refused(browser.as_(other).get("/auth/me"), "token_revoked")


def test_ending_all_sessions_clears_this_browser_too(browser, held, user):
    other = browser.log_in(user)

    answer = browser.as_(held).post("/auth/logout", {"scope": "global"})

    assert sorted(given(answer)) == sorted([ACCESS, REFRESH, CSRF])
    assert "Clear-Site-Data" in answer.headers
    for ended in (held, other):
        assert_refused(browser.as_(ended).get("/auth/me"), "token_revoked")


@pytest.mark.parametrize("scope", ["others", "global"])
def test_ending_other_sessions_needs_a_good_access_cookie(browser, held, scope):
    form = {"scope": scope}

    without = browser.as_(changed(held, access=None)).post("/auth/logout", form)
    broken = browser.as_(changed(held, access="a.b.c")).post("/auth/logout", form)

    assert_refused(without, "token_missing")
    assert_refused(broken, "token_invalid")
    assert browser.as_(held).get("/auth/me").status_code == 200


def test_body_mode_clears_nothing(client, user):
    answer = client.as_(client.log_in(user)).post("/auth/logout")

    assert answer.status_code == 204
    assert "Clear-Site-Data" not in answer.headers
    assert "Set-Cookie" not in answer.headers


# The device


@pytest.mark.stores
def test_the_device_cookie_is_kept_by_the_next_login_and_gets_a_row_for_each_person(
    app, browser, user, make_user
):
    first = browser.log_in(user)
    again = browser.as_(first).held(browser.as_(first).post("/auth/login", login_form(user)))
    second = make_user()
    answer = browser.as_(again).post("/auth/login", login_form(second))

    assert given(answer)[DEVICE].value == again.cookies[DEVICE] == first.cookies[DEVICE]
    assert len(rows(app, Device)) == 2
    assert len({device.user_id for device in rows(app, Device)}) == 2


def test_a_device_token_that_came_by_cookie_stands_in_no_body(browser, held, user):
    answer = browser.as_(held).post("/auth/login", login_form(user, "body"))

    assert answer.status_code == 200
    assert "device_token" not in answer.json
    assert held.cookies[DEVICE] not in answer.text


def test_a_device_token_that_we_did_not_make_is_replaced(browser, held, user):
    invented = changed(held, device="A" * 43)

    by_cookie = browser.as_(invented).post("/auth/login", login_form(user))
    by_body = browser.as_(invented).post("/auth/login", login_form(user, "body"))

    assert given(by_cookie)[DEVICE].value != "A" * 43
    assert len(by_body.json["device_token"]) == 43
    assert by_body.json["device_token"] != "A" * 43


def test_the_header_names_the_device_before_the_cookie_does(app, client, browser, held, user):
    told = client.log_in(user)["device_token"]

    answer = browser.as_(held).post(
        "/auth/login", login_form(user, "body"), headers={"X-Device-Token": told}
    )

    assert answer.json["device_token"] == told
    assert len(rows(app, Device)) == 2


# The address


@pytest.mark.requirement("SE-12")
@pytest.mark.parametrize("name", ["access_token", "token", "refresh_token", ACCESS, "csrf_token"])
def test_a_token_in_the_address_is_never_looked_at(client, browser, held, user, name):
    tokens = client.log_in(user)
    for token in (tokens["access_token"], tokens["refresh_token"], held["csrf_token"]):
        query = {"query_string": {name: token}}

        assert_refused(client.get("/auth/me", **query), "token_missing")
        assert_refused(client.get("/gateway/verify", **query), "token_missing")
        assert_refused(client.post("/auth/refresh", **query), "token_missing")
        write = browser.as_(held).patch("/auth/me", {"name": "X"}, headers={"X-CSRF-Token": None})
        assert verdict(write) == (403, "csrf_failed")
    assert client.get("/auth/me").headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.requirement("SE-11")
def test_no_answer_about_authentication_is_stored(app, client, browser, held):
    mine = browser.as_(held)
    answers = [
        mine.get("/auth/me"),
        mine.get("/auth/csrf"),
        mine.get("/auth/sessions"),
        mine.post("/auth/refresh"),
        mine.post("/auth/logout", headers={"X-CSRF-Token": "wrong"}),
        mine.post("/auth/logout"),
        mine.post("/auth/login", {}),
    ]

    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
