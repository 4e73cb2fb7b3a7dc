"""Logout and password change: which sessions end, and what is recorded."""

import pytest

from models import Session
from tests.client import PASSWORD
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.sessions.token_responses import assert_active, assert_ended, session_id_of
from tests.tokens.forgery import Forger, assert_rejected, case

NEW_PASSWORD = "another unlikely phrase 43"


def end_reasons(app):
    """Return the end reasons by session id; rows and audit events must agree."""
    by_row = {str(row.id): row.end_reason for row in rows(app, Session) if row.ended_at}
    by_audit = {str(e.session_id): e.details["reason"] for e in audited(app, "session.ended")}
    assert by_row == by_audit
    return by_row


# Logout


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_logout_ends_the_session_of_the_access_token(app, client, user):
    tokens, other = client.log_in(user), client.log_in(user)

    response = client.as_(tokens).post("/auth/logout")

    assert (response.status_code, response.data) == (204, b"")
    assert_ended(client, tokens)
    assert_active(client, other)
    assert end_reasons(app) == {session_id_of(tokens): "logout"}
    assert_rejected(client.refresh(tokens), "session_ended")


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_logout_invalidates_every_token_of_the_session(client, tokens):
    child = client.refresh(tokens).json
    newest = client.refresh(child).json

    client.as_(child).post("/auth/logout")

    assert_ended(client, tokens, child, newest)


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_logout_works_with_the_refresh_token_alone(app, client, tokens):
    form = {"refresh_token": tokens["refresh_token"]}

    assert client.post("/auth/logout", form).status_code == 204

    assert_ended(client, tokens)
    assert end_reasons(app) == {session_id_of(tokens): "logout"}


@pytest.mark.requirement("SE-05")
def test_logout_works_with_an_expired_access_token(client, tokens, wait):
    wait(minutes=11)
    assert_rejected(client.as_(tokens).post("/auth/logout"), "token_expired")
    form = {"refresh_token": tokens["refresh_token"]}

    response = client.as_(tokens).post("/auth/logout", form)

    assert response.status_code == 204
    assert_rejected(client.refresh(tokens), "session_ended")


@pytest.mark.requirement("SE-05")
def test_logout_works_with_a_malformed_access_token(client, tokens):
    form = {"refresh_token": tokens["refresh_token"]}

    assert client.as_("a.b.c").post("/auth/logout", form).status_code == 204

    assert_ended(client, tokens)


def test_logout_ends_the_session_of_the_access_token_before_that_of_the_refresh_token(client, user):
    mine, other = client.log_in(user), client.log_in(user)

    client.as_(mine).post("/auth/logout", {"refresh_token": other["refresh_token"]})

    assert_ended(client, mine)
    assert_active(client, other)


def test_logout_is_idempotent_with_the_refresh_token(app, client, tokens):
    form = {"refresh_token": tokens["refresh_token"]}
    client.post("/auth/logout", form)

    assert client.post("/auth/logout", form).status_code == 204

    assert len(audited(app, "session.ended")) == 1


def test_logout_needs_a_token(client):
    for body in (None, {}, {"scope": "local"}):
        with case(body=body):
            assert_rejected(client.post("/auth/logout", body), "token_missing")


def test_logout_with_invalid_tokens_ends_nothing(app, client, tokens):
    bad = {"refresh_token": "a.b.c"}

    assert_rejected(client.as_("a.b.c").post("/auth/logout"), "token_invalid")
    assert_rejected(client.post("/auth/logout", bad), "token_invalid")
    assert_rejected(
        client.post("/auth/logout", {"refresh_token": tokens["access_token"]}), "token_invalid"
    )

    assert end_reasons(app) == {}
    assert_active(client, tokens)


@pytest.mark.stores
@pytest.mark.requirement("SE-05", "SE-08")
def test_logout_others_ends_all_other_sessions_of_the_user(app, client, make_user):
    ann = make_user()
    others, here = [client.log_in(ann) for _ in range(3)], client.log_in(ann)
    other_user = client.log_in(make_user())

    response = client.as_(here).post("/auth/logout", {"scope": "others"})

    assert response.status_code == 204
    assert_ended(client, *others)
    assert_active(client, here, other_user)
    assert end_reasons(app) == dict.fromkeys(map(session_id_of, others), "logout_others")


@pytest.mark.stores
@pytest.mark.requirement("SE-05", "SE-08")
def test_logout_global_ends_all_sessions_of_the_user(app, client, make_user):
    ann = make_user()
    mine = [client.log_in(ann) for _ in range(3)]
    other_user = client.log_in(make_user())

    response = client.as_(mine[1]).post("/auth/logout", {"scope": "global"})

    assert response.status_code == 204
    assert_ended(client, *mine)
    assert_active(client, other_user)
    assert end_reasons(app) == dict.fromkeys(map(session_id_of, mine), "logout_global")


@pytest.mark.parametrize("scope", ["others", "global"])
def test_logout_of_other_sessions_needs_an_access_token(app, client, tokens, scope):
    form = {"scope": scope, "refresh_token": tokens["refresh_token"]}
    expired = Forger(app).sign_again(tokens["access_token"], claims={"exp": 1})

    assert_rejected(client.post("/auth/logout", form), "token_missing")
    assert_rejected(client.as_("a.b.c").post("/auth/logout", form), "token_invalid")
    assert_rejected(client.as_(expired).post("/auth/logout", form), "token_expired")

    assert_active(client, tokens)


def test_logout_with_an_unknown_scope_ends_nothing(client, tokens):
    for scope in ("", "all", "LOCAL", None, 7, ["local"]):
        with case(scope=scope):
            response = client.as_(tokens).post("/auth/logout", {"scope": scope})

            assert (response.status_code, response.json["code"]) == (422, "validation_failed")
            assert_active(client, tokens)


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_logout_invalidates_the_tokens_of_parallel_refreshes(client, tokens, wait):
    refreshes = [lambda: client.refresh(tokens)] * 6

    *responses, logout = run_in_parallel(
        *refreshes, lambda: client.as_(tokens).post("/auth/logout")
    )

    assert logout.status_code == 204
    for response in responses:
        if response.status_code == 200:
            assert_ended(client, response.json)
        else:
            assert_rejected(response, "session_ended")
    assert_ended(client, tokens)


# Password change


def change_password(client, tokens, current=PASSWORD, new=NEW_PASSWORD):
    form = {"current_password": current, "password": new}
    return client.as_(tokens).post("/auth/password/change", form)


@pytest.mark.stores
@pytest.mark.requirement("SE-07")
def test_password_change_ends_the_other_sessions(app, client, make_user):
    ann = make_user()
    others, here = [client.log_in(ann) for _ in range(2)], client.log_in(ann)
    other_user = client.log_in(make_user())

    response = change_password(client, here)

    assert response.status_code == 204
    assert_ended(client, *others)
    assert_active(client, here, other_user)
    assert end_reasons(app) == dict.fromkeys(map(session_id_of, others), "password_changed")


@pytest.mark.stores
@pytest.mark.requirement("SE-07")
def test_password_change_that_fails_ends_nothing(app, client, user):
    other, here = client.log_in(user), client.log_in(user)

    assert change_password(client, here, current="a wrong password 42").status_code == 401
    assert change_password(client, here, new="short").status_code == 422

    assert end_reasons(app) == {}
    assert_active(client, other, here)
