"""Cookie mode: what the cookies are, what they open, how they are renewed and how they go."""

import re
from http.cookies import SimpleCookie

import pytest

from gatehouse.foundation import crypto
from models import Device, Session
from tests.client import PASSWORD, Held
from tests.rows import audited, rows
from tests.surface.conftest import contents, verdict
from tests.tokens.forgery import ABSENT, Forger, assert_refused, read

ACCESS, REFRESH = "__Host-access", "__Secure-refresh"
CSRF, DEVICE = "__Host-csrf", "__Host-device"
ANSWER = {"status", "expires_in", "csrf_token", "user"}
ELSEWHERE = pytest.mark.settings(GATEHOUSE_PUBLIC_URL="http://auth.test:8000")


@pytest.fixture
def browser(browser_client):
    return browser_client


@pytest.fixture
def held(browser, user):
    """The answer, and the cookies, of somebody who has just logged in."""
    return browser.log_in(user)


def given(answer):
    """Return the cookies that an answer sets, by name."""
    jar = SimpleCookie()
    for text in answer.headers.getlist("Set-Cookie"):
        jar.load(text)
    return dict(jar)


def sid_of(held):
    return read(held.cookies[ACCESS])[1]["sid"]


def login_form(user, transport="cookie"):
    return {"identifier": user.email, "password": user.password, "transport": transport}


def changed(held, **cookies):
    """Return the answer with other cookies: access=..., refresh=...; None leaves one out."""
    names = {"access": ACCESS, "refresh": REFRESH, "csrf": CSRF, "device": DEVICE}
    new = Held(held)
    merged = held.cookies | {names[name]: value for name, value in cookies.items()}
    new.cookies = {name: value for name, value in merged.items() if value is not None}
    return new


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
        f"a={ACCESS}=; {ACCESS}={held.cookies[ACCESS]}",
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
