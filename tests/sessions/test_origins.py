"""Origin checks: writes from pages of other origins are rejected and change nothing."""

import itertools

import pytest

from tests.client import PASSWORD
from tests.log_lines import read_log_lines
from tests.rows import audited
from tests.sessions.writes import (
    ALLOWED_ORIGIN,
    CSRF_FAILED,
    OWN_ORIGIN,
    WRITES,
    allow_listed,
    rows_except_audit,
    send_write,
    session_id_of,
)
from tests.surface.conftest import read_problem, read_tables
from tests.surface.test_other_origins import FOREIGN_ORIGINS
from tests.tokens.forgery import case

ALLOWED_ORIGINS = (OWN_ORIGIN, ALLOWED_ORIGIN)
UNAUTHENTICATED_WRITES = [
    ("/auth/login", {"identifier": "person1@example.com", "password": PASSWORD}),
    ("/auth/login", {"identifier": "a", "password": PASSWORD, "transport": "cookie"}),
    ("/auth/register", {"email": "eve@example.com", "password": PASSWORD}),
    ("/auth/email/verify", {"email": "person1@example.com", "code": "12345678"}),
    ("/auth/invitation", {"token": "a token", "password": PASSWORD}),
    ("/auth/refresh", {"refresh_token": "a token"}),
    ("/auth/logout", {"refresh_token": "a token"}),
]


@pytest.mark.requirement("SE-10", "LG-04")
@allow_listed
def test_origin_that_is_foreign_is_rejected_for_writes_by_cookie(app, mine):
    origins = [origin for origin in FOREIGN_ORIGINS if origin != OWN_ORIGIN]
    before = rows_except_audit(app)

    for write, origin in itertools.product(WRITES, origins):
        response = send_write(mine, *write, Origin=origin)
        with case(write=write, origin=origin):
            assert read_problem(response) == CSRF_FAILED
            assert "Set-Cookie" not in response.headers

    assert rows_except_audit(app) == before
    events = audited(app, "session.csrf_failed")
    assert [event.details["origin"] for event in events] == origins * len(WRITES)
    assert {str(event.session_id) for event in events} == {session_id_of(mine)}


@pytest.mark.requirement("SE-10")
def test_sec_fetch_site_cross_site_is_rejected_for_writes_by_cookie(app, mine):
    before = rows_except_audit(app)

    for write in WRITES:
        response = send_write(mine, *write, Sec_Fetch_Site="cross-site")
        with case(write=write):
            assert read_problem(response) == CSRF_FAILED

    assert rows_except_audit(app) == before
    for site in ("same-origin", "same-site", "none"):
        response = send_write(mine, "PATCH", "/auth/me", {"name": "A"}, Sec_Fetch_Site=site)
        with case(site=site):
            assert response.status_code == 200


@pytest.mark.requirement("SE-10")
@allow_listed
def test_origin_that_is_foreign_is_rejected_for_unauthenticated_writes(app, client, user):
    before = read_tables(app)

    for (path, body), origin in itertools.product(UNAUTHENTICATED_WRITES, FOREIGN_ORIGINS):
        for headers in ({}, {"Authorization": "Basic x"}):
            response = client.post(path, body, headers={"Origin": origin, **headers})
            with case(path=path, body=body, origin=origin):
                assert read_problem(response) == CSRF_FAILED

    assert read_tables(app) == before  # no audit event either: anyone could fill the log
    for (path, body), origin in itertools.product(UNAUTHENTICATED_WRITES, ALLOWED_ORIGINS):
        with case(path=path, body=body, origin=origin):
            assert client.post(path, body, headers={"Origin": origin}).status_code != 403


@pytest.mark.requirement("LG-04")
def test_origin_rejected_without_cookies_is_logged(client, capsys):
    form = {"identifier": "person1@example.com", "password": PASSWORD}

    client.post("/auth/login", form, headers={"Origin": f"https://evil.example/{'x' * 1000}"})

    [line] = [line for line in read_log_lines(capsys) if "origin" in line]
    assert line["origin"].startswith("https://evil.example/")
    assert len(line["origin"]) == 200


def test_origin_error_explains_how_to_allow_an_origin(client):
    response = client.post("/auth/login", {}, headers={"Origin": "http://127.0.0.1:8000"})

    assert "http://localhost:8000" in response.json["detail"]
    assert "GATEHOUSE_ALLOWED_ORIGINS" in response.json["next"]


def test_origin_is_checked_for_logins_with_a_bearer_token(client):
    headers = {"Origin": "https://evil.example", "Authorization": "Bearer junk"}

    assert read_problem(client.post("/auth/login", {}, headers=headers)) == CSRF_FAILED


def test_origin_is_not_checked_for_reads(mine):
    for method in ("GET", "HEAD", "OPTIONS"):
        response = send_write(mine, method, "/auth/me", None, Origin="https://evil.example")

        assert response.status_code == 200
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_origin_of_another_application_is_accepted_by_forward_auth(client, user, method):
    bearer = f"Bearer {client.log_in(user)['access_token']}"
    origin = {"Origin": "https://shop.example"}

    open_ = client._connection.open
    passed = open_("/gateway/verify", method=method, headers={"Authorization": bearer, **origin})
    refused = open_("/gateway/verify", method=method, headers=origin)

    assert (passed.status_code, refused.status_code) == (200, 401)
