"""Writes that come from pages of other origins are refused, and nothing changes."""

import pytest

from tests.client import PASSWORD
from tests.logged import lines
from tests.rows import audited
from tests.sessions.writes import (
    FRONT,
    OURS,
    REFUSED,
    WRITES,
    all_but_audit,
    allow_listed,
    session_of,
    write,
)
from tests.surface.conftest import contents, verdict
from tests.surface.test_other_origins import STRANGERS

OPEN = [
    ("/auth/login", {"identifier": "person1@example.com", "password": PASSWORD}),
    ("/auth/login", {"identifier": "a", "password": PASSWORD, "transport": "cookie"}),
    ("/auth/register", {"email": "eve@example.com", "password": PASSWORD}),
    ("/auth/email/verify", {"email": "person1@example.com", "code": "12345678"}),
    ("/auth/invitation", {"token": "a token", "password": PASSWORD}),
    ("/auth/refresh", {"refresh_token": "a token"}),
    ("/auth/logout", {"refresh_token": "a token"}),
]


# The origin


@pytest.mark.requirement("SE-10", "LG-04")
@pytest.mark.parametrize("asked", WRITES, ids=str)
@allow_listed
def test_a_write_by_cookie_from_another_origin_changes_nothing(app, mine, asked):
    strangers = [origin for origin in STRANGERS if origin != "http://localhost:8000"]
    before = all_but_audit(app)

    for origin in strangers:
        answer = write(mine, *asked, Origin=origin)
        assert verdict(answer) == REFUSED, origin
        assert "Set-Cookie" not in answer.headers, origin

    assert all_but_audit(app) == before
    events = audited(app, "session.csrf_failed")
    assert [event.details["origin"] for event in events] == strangers
    assert {str(event.session_id) for event in events} == {session_of(mine)}


@pytest.mark.requirement("SE-10")
@pytest.mark.parametrize("asked", WRITES, ids=str)
def test_a_write_by_cookie_from_another_site_changes_nothing(app, mine, asked):
    before = all_but_audit(app)

    answer = write(mine, *asked, Sec_Fetch_Site="cross-site")

    assert verdict(answer) == REFUSED
    assert all_but_audit(app) == before
    for site in ("same-origin", "same-site", "none"):
        assert (
            write(mine, "PATCH", "/auth/me", {"name": "A"}, Sec_Fetch_Site=site).status_code == 200
        )


@pytest.mark.requirement("SE-10")
@pytest.mark.parametrize(("path", "body"), OPEN, ids=str)
@allow_listed
def test_what_no_cookie_authenticates_has_its_origin_checked_too(app, client, user, path, body):
    before = contents(app)

    for origin in STRANGERS:
        for headers in ({}, {"Authorization": "Basic x"}):
            answer = client.post(path, body, headers={"Origin": origin, **headers})
            assert verdict(answer) == REFUSED, origin

    assert contents(app) == before  # not even the audit: a stranger could fill it
    for origin in (OURS, FRONT):
        assert client.post(path, body, headers={"Origin": origin}).status_code != 403


@pytest.mark.requirement("LG-04")
def test_a_refused_stranger_stands_in_the_log(client, capsys):
    form = {"identifier": "person1@example.com", "password": PASSWORD}

    client.post("/auth/login", form, headers={"Origin": f"https://evil.example/{'x' * 1000}"})

    [line] = [line for line in lines(capsys) if "origin" in line]
    assert line["origin"].startswith("https://evil.example/")
    assert len(line["origin"]) == 200


def test_a_refusal_says_what_a_developer_can_do(client):
    answer = client.post("/auth/login", {}, headers={"Origin": "http://127.0.0.1:8000"})

    assert "http://localhost:8000" in answer.json["detail"]
    assert "GATEHOUSE_ALLOWED_ORIGINS" in answer.json["next"]


def test_a_junk_bearer_token_saves_no_login_from_the_origin_check(client):
    headers = {"Origin": "https://evil.example", "Authorization": "Bearer junk"}

    assert verdict(client.post("/auth/login", {}, headers=headers)) == REFUSED


def test_reading_is_answered_whatever_the_origin(mine):
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = write(mine, method, "/auth/me", None, Origin="https://evil.example")

        assert answer.status_code == 200
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_gateway_may_pass_on_the_origin_of_its_application(client, user, method):
    bearer = f"Bearer {client.log_in(user)['access_token']}"
    origin = {"Origin": "https://shop.example"}

    open_ = client._door.open
    passed = open_("/gateway/verify", method=method, headers={"Authorization": bearer, **origin})
    refused = open_("/gateway/verify", method=method, headers=origin)

    assert (passed.status_code, refused.status_code) == (200, 401)
