"""CSRF tokens: required for writes by cookie; bearer tokens take precedence over cookies."""

import itertools

import pytest

from gatehouse.settings.keyrings import KeyRing
from models import AuditEvent
from tests.rows import audited, rows
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
from tests.tokens.forgery import assert_rejected, case


@pytest.fixture
def others(browser_client, make_user):
    """A browser in which another user is signed in."""
    return browser_client.as_(browser_client.log_in(make_user()))


# The token


@pytest.mark.requirement("SE-10", "LG-04")
def test_csrf_token_is_required_for_every_write_by_cookie(app, mine, others):
    right, foreign = mine.cookies["__Host-csrf"], others.cookies["__Host-csrf"]
    similar = (right[:-1], f"{right}0", right.upper())
    wrong = (None, "", "x", *similar, foreign, "\xe9", session_id_of(mine))
    before = rows_except_audit(app)

    for write, token in itertools.product(WRITES, wrong):
        response = send_write(mine, *write, X_CSRF_Token=token)
        with case(write=write, token=token):
            assert read_problem(response) == CSRF_FAILED
            assert "X-CSRF-Token" in response.json["next"]
            assert not {"Set-Cookie", "Clear-Site-Data"} & set(response.headers.keys())

    assert rows_except_audit(app) == before
    events = audited(app, "session.csrf_failed")
    assert len(events) == len(WRITES) * len(wrong)
    assert {str(event.session_id) for event in events} == {session_id_of(mine)}
    assert right not in str([event.details for event in events])


@pytest.mark.requirement("SE-10")
@pytest.mark.parametrize("origin", [None, OWN_ORIGIN, ALLOWED_ORIGIN])
@allow_listed
def test_csrf_token_from_an_allowed_origin_permits_the_write(browser_client, make_user, origin):
    for write in WRITES:
        mine = browser_client.as_(browser_client.log_in(make_user()))
        token = mine.get("/auth/csrf").json["csrf_token"]

        response = send_write(mine, *write, X_CSRF_Token=token, Origin=origin)

        with case(write=write):
            assert response.status_code in (200, 204)


@pytest.mark.requirement("SE-10")
def test_csrf_token_must_belong_to_the_session_of_the_cookie_used(mine, others):
    mixed = dict(mine.cookies) | {"__Secure-refresh": others.cookies["__Secure-refresh"]}
    mine.cookies = mixed

    refresh = send_write(mine, "POST", "/auth/refresh", None)
    read_only = mine.get("/auth/csrf").json["csrf_token"]
    change = send_write(mine, "PATCH", "/auth/me", {"name": "Ada"}, X_CSRF_Token=read_only)
    theirs = send_write(
        mine, "POST", "/auth/refresh", None, X_CSRF_Token=others.cookies["__Host-csrf"]
    )

    assert read_problem(refresh) == CSRF_FAILED
    assert change.status_code == 200
    assert theirs.status_code == 200


def test_csrf_token_is_stable_for_a_session_and_differs_between_sessions(
    browser_client, mine, user
):
    first = mine.cookies["__Host-csrf"]
    again = [mine.get("/auth/csrf").json["csrf_token"] for _ in range(2)]
    next_one = browser_client.log_in(user)["csrf_token"]

    assert again == [first, first]
    assert next_one != first
    assert len(first) == 64


def test_csrf_token_is_returned_for_the_refresh_cookie_alone(mine):
    del mine.cookies["__Host-access"]

    assert mine.get("/auth/csrf").json == {"csrf_token": mine.cookies["__Host-csrf"]}


def test_csrf_token_is_not_returned_without_valid_cookies(app, mine):
    bearer = {"Authorization": f"Bearer {mine.cookies['__Host-access']}"}
    before = read_tables(app)

    assert_rejected(mine.get("/auth/csrf", headers=bearer), "token_missing")
    mine.cookies |= {"__Host-access": "a.b.c", "__Secure-refresh": "a.b.c"}
    assert_rejected(mine.get("/auth/csrf"), "token_missing")

    assert read_tables(app) == before


def test_csrf_token_of_an_older_secret_key_is_accepted(app, mine):
    settings = app.extensions["gatehouse.settings"]
    ring = KeyRing({"new": bytes(32), **settings.secret_keys.keys})
    object.__setattr__(settings, "secret_keys", ring)

    old = mine.cookies["__Host-csrf"]
    new = mine.get("/auth/csrf").json["csrf_token"]

    assert new != old
    for token in (old, new):
        assert (
            send_write(mine, "PATCH", "/auth/me", {"name": "A"}, X_CSRF_Token=token).status_code
            == 200
        )


# Both a cookie and a bearer token


@pytest.mark.requirement("SE-13")
def test_bearer_token_that_is_invalid_is_rejected_despite_valid_cookies(app, mine):
    before = read_tables(app)

    for junk, code in [("Bearer a.b.c", "token_invalid"), ("bearer x", "token_invalid")]:
        headers = {"Authorization": junk}
        assert_rejected(mine.get("/auth/me", headers=headers), code)
        assert_rejected(mine.patch("/auth/me", {"name": "X"}, headers=headers), code)
    for empty in ("Bearer", "Bearer ", "BEARER"):
        assert_rejected(mine.get("/auth/me", headers={"Authorization": empty}), "token_missing")

    assert read_tables(app) == before


@pytest.mark.requirement("SE-13")
def test_authorization_header_without_bearer_skips_no_csrf_check(app, mine):
    invalid = ("Basic x", "Basic YTpi", "x", "Bearerx y", "Token Bearer", "DPoP a.b.c", "Bearer\tx")
    before = rows_except_audit(app)

    for header, write in itertools.product(invalid, WRITES):
        response = send_write(mine, *write, Authorization=header, X_CSRF_Token=None)
        with case(header=header, write=write):
            assert read_problem(response) == CSRF_FAILED

    assert rows_except_audit(app) == before
    for header in invalid:
        with case(header=header):
            assert send_write(mine, *WRITES[0], Authorization=header).status_code == 200


@pytest.mark.requirement("SE-13")
def test_bearer_token_takes_precedence_over_cookies(client, mine, make_user):
    other = make_user()
    bearer = f"Bearer {client.log_in(other)['access_token']}"
    bad = {"__Host-access": "a.b.c", "__Secure-refresh": "x", "__Host-csrf": "y"}

    for cookies in (mine.cookies, bad):
        mine.cookies = cookies
        headers = {"Authorization": bearer, "X_CSRF_Token": None, "Origin": "capacitor://app"}
        assert mine.get("/auth/me", headers={"Authorization": bearer}).json["email"] == other.email
        assert send_write(mine, "PATCH", "/auth/me", {"name": "A"}, **headers).status_code == 200
    assert send_write(mine, "POST", "/auth/logout", None, Authorization=bearer).status_code == 204


# Simple requests


@pytest.mark.requirement("SE-10")
def test_form_content_types_are_rejected_even_with_the_csrf_token(app, mine):
    form_types = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
    before = rows_except_audit(app)

    for write, content_type in itertools.product(WRITES, ("text/plain", *form_types)):
        method, path, _ = write
        response = mine.send(method, path, data=b'{"a": 1}', content_type=content_type)
        with case(write=write, content_type=content_type):
            assert read_problem(response) == (415, "unsupported_media_type")

    assert rows_except_audit(app) == before


@pytest.mark.requirement("SE-10")
def test_method_override_headers_are_ignored(app, mine):
    names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
    paths = ("/auth/me", f"/auth/sessions/{session_id_of(mine)}")
    before = read_tables(app)

    for name, path in itertools.product(names, paths):
        response = mine.get(path, headers={name: "DELETE"}, query_string={"_method": "DELETE"})
        assert response.status_code in (200, 405)

    assert read_tables(app) == before
    assert mine.get("/auth/logout").status_code == 405
    assert len(rows(app, AuditEvent)) == len(before["audit_events"])
