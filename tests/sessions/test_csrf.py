"""A write by cookie needs the token of its session; a bearer token is judged alone."""

import pytest

from gatehouse.settings.keyrings import KeyRing
from models import AuditEvent
from tests.rows import audited, rows
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
from tests.tokens.forgery import assert_refused


@pytest.fixture
def others(browser_client, make_user):
    """Lend the browser of somebody else who is signed in."""
    return browser_client.as_(browser_client.log_in(make_user()))


# The token


@pytest.mark.requirement("SE-10", "LG-04")
@pytest.mark.parametrize("asked", WRITES, ids=str)
def test_a_write_by_cookie_without_the_token_of_its_session_changes_nothing(
    app, mine, others, asked
):
    right, foreign = mine.cookies["__Host-csrf"], others.cookies["__Host-csrf"]
    wrong = [
        None,
        "",
        "x",
        right[:-1],
        f"{right}0",
        right.upper(),
        foreign,
        "\xe9",
        session_of(mine),
    ]
    before = all_but_audit(app)

    answers = [write(mine, *asked, X_CSRF_Token=token) for token in wrong]

    assert {verdict(answer) for answer in answers} == {REFUSED}
    assert "X-CSRF-Token" in answers[0].json["next"]
    assert not any("Set-Cookie" in a.headers or "Clear-Site-Data" in a.headers for a in answers)
    assert all_but_audit(app) == before
    events = audited(app, "session.csrf_failed")
    assert len(events) == len(wrong)
    assert {str(event.session_id) for event in events} == {session_of(mine)}
    assert right not in str([event.details for event in events])


@pytest.mark.requirement("SE-10")
@pytest.mark.parametrize("asked", WRITES, ids=str)
@pytest.mark.parametrize("origin", [None, OURS, FRONT])
@allow_listed
def test_a_write_with_the_token_from_a_known_origin_is_done(mine, asked, origin):
    token = mine.get("/auth/csrf").json["csrf_token"]

    answer = write(mine, *asked, X_CSRF_Token=token, Origin=origin)

    assert answer.status_code in (200, 204)


@pytest.mark.requirement("SE-10")
def test_the_token_belongs_to_the_very_cookie_that_is_used(mine, others):
    mixed = dict(mine.cookies) | {"__Secure-refresh": others.cookies["__Secure-refresh"]}
    mine.cookies = mixed

    refresh = write(mine, "POST", "/auth/refresh", None)
    read_only = mine.get("/auth/csrf").json["csrf_token"]
    change = write(mine, "PATCH", "/auth/me", {"name": "Ada"}, X_CSRF_Token=read_only)
    theirs = write(mine, "POST", "/auth/refresh", None, X_CSRF_Token=others.cookies["__Host-csrf"])

    assert verdict(refresh) == REFUSED
    assert change.status_code == 200
    assert theirs.status_code == 200


def test_the_token_is_stable_for_a_session_and_another_for_the_next(browser_client, mine, user):
    first = mine.cookies["__Host-csrf"]
    again = [mine.get("/auth/csrf").json["csrf_token"] for _ in range(2)]
    next_one = browser_client.log_in(user)["csrf_token"]

    assert again == [first, first]
    assert next_one != first
    assert len(first) == 64


def test_the_refresh_cookie_alone_tells_the_token_too(mine):
    del mine.cookies["__Host-access"]

    assert mine.get("/auth/csrf").json == {"csrf_token": mine.cookies["__Host-csrf"]}


def test_nobody_else_is_told_a_token(app, mine):
    bearer = {"Authorization": f"Bearer {mine.cookies['__Host-access']}"}
    before = contents(app)

    assert_refused(mine.get("/auth/csrf", headers=bearer), "token_missing")
    mine.cookies |= {"__Host-access": "a.b.c", "__Secure-refresh": "a.b.c"}
    assert_refused(mine.get("/auth/csrf"), "token_missing")

    assert contents(app) == before


def test_a_token_of_a_key_that_is_still_in_the_ring_is_good(app, mine):
    settings = app.extensions["gatehouse.settings"]
    ring = KeyRing({"new": bytes(32), **settings.secret_keys.keys})
    object.__setattr__(settings, "secret_keys", ring)

    old = mine.cookies["__Host-csrf"]
    new = mine.get("/auth/csrf").json["csrf_token"]

    assert new != old
    for token in (old, new):
        assert (
            write(mine, "PATCH", "/auth/me", {"name": "A"}, X_CSRF_Token=token).status_code == 200
        )


# Both a cookie and a bearer token


@pytest.mark.requirement("SE-13")
def test_a_bad_bearer_token_is_not_saved_by_a_good_cookie(app, mine):
    before = contents(app)

    for junk, code in [("Bearer a.b.c", "token_invalid"), ("bearer x", "token_invalid")]:
        headers = {"Authorization": junk}
        assert_refused(mine.get("/auth/me", headers=headers), code)
        assert_refused(mine.patch("/auth/me", {"name": "X"}, headers=headers), code)
    for empty in ("Bearer", "Bearer ", "BEARER"):
        assert_refused(mine.get("/auth/me", headers={"Authorization": empty}), "token_missing")

    assert contents(app) == before


@pytest.mark.requirement("SE-13")
@pytest.mark.parametrize(
    "junk", ["Basic x", "Basic YTpi", "x", "Bearerx y", "Token Bearer", "DPoP a.b.c", "Bearer\tx"]
)
def test_a_junk_authorization_skips_no_check(app, mine, junk):
    before = all_but_audit(app)

    for asked in WRITES:
        answer = write(mine, *asked, Authorization=junk, X_CSRF_Token=None)
        assert verdict(answer) == REFUSED, asked

    assert all_but_audit(app) == before
    assert write(mine, *WRITES[0], Authorization=junk).status_code == 200


@pytest.mark.requirement("SE-13")
def test_a_good_bearer_token_is_judged_alone(client, mine, make_user):
    other = make_user()
    bearer = f"Bearer {client.log_in(other)['access_token']}"
    bad = {"__Host-access": "a.b.c", "__Secure-refresh": "x", "__Host-csrf": "y"}

    for cookies in (mine.cookies, bad):
        mine.cookies = cookies
        headers = {"Authorization": bearer, "X_CSRF_Token": None, "Origin": "capacitor://app"}
        assert mine.get("/auth/me", headers={"Authorization": bearer}).json["email"] == other.email
        assert write(mine, "PATCH", "/auth/me", {"name": "A"}, **headers).status_code == 200
    assert write(mine, "POST", "/auth/logout", None, Authorization=bearer).status_code == 204


# Simple requests


@pytest.mark.requirement("SE-10")
@pytest.mark.parametrize("asked", WRITES, ids=str)
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_what_a_form_can_send_is_refused_even_with_the_token(app, mine, asked, kind):
    method, path, _ = asked
    before = all_but_audit(app)

    answer = mine._send(mine._door, method, path, {"data": b'{"a": 1}', "content_type": kind})

    assert verdict(answer) == (415, "unsupported_media_type")
    assert all_but_audit(app) == before


@pytest.mark.requirement("SE-10")
@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_cannot_be_overridden(app, mine, name):
    before = contents(app)

    for path in ("/auth/me", f"/auth/sessions/{session_of(mine)}"):
        answer = mine.get(path, headers={name: "DELETE"}, query_string={"_method": "DELETE"})
        assert answer.status_code in (200, 405)

    assert contents(app) == before
    assert mine.get("/auth/logout").status_code == 405
    assert len(rows(app, AuditEvent)) == len(before["audit_events"])
