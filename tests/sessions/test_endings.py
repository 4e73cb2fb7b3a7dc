"""Logging out and changing the password: what ends, what stays, and what is told."""

from uuid import UUID

import pytest

from models import RefreshToken, Session
from tests.client import PASSWORD
from tests.rows import audited, rows
from tests.sessions.answers import assert_alive, assert_over, session_of
from tests.together import at_once
from tests.tokens.forgery import Forger, assert_refused

NEW_PASSWORD = "another unlikely phrase 43"


def end_reasons(app):
    """Return why sessions ended, by their ids, as the rows and the audit agree."""
    by_row = {str(row.id): row.end_reason for row in rows(app, Session) if row.ended_at}
    by_audit = {str(e.session_id): e.details["reason"] for e in audited(app, "session.ended")}
    assert by_row == by_audit
    return by_row


# Logging out


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_logging_out_ends_the_session_of_the_access_token(app, client, user):
    tokens, other = client.log_in(user), client.log_in(user)

    answer = client.as_(tokens).post("/auth/logout")

    assert (answer.status_code, answer.data) == (204, b"")
    assert_over(client, tokens)
    assert_alive(client, other)
    assert end_reasons(app) == {session_of(tokens): "logout"}
    assert rows(app, RefreshToken, session_id=UUID(session_of(tokens))) == []


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_logging_out_kills_every_token_of_the_session(client, tokens):
    child = client.refresh(tokens).json
    grandchild = client.refresh(child).json

    client.as_(child).post("/auth/logout")

    assert_over(client, tokens, child, grandchild)


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_logging_out_works_with_the_refresh_token_alone(app, client, tokens):
    form = {"refresh_token": tokens["refresh_token"]}

    assert client.post("/auth/logout", form).status_code == 204

    assert_over(client, tokens)
    assert end_reasons(app) == {session_of(tokens): "logout"}


@pytest.mark.requirement("SE-05")
def test_logging_out_works_when_the_access_token_has_expired(client, tokens, wait):
    wait(minutes=11)
    assert_refused(client.as_(tokens).post("/auth/logout"), "token_expired")
    form = {"refresh_token": tokens["refresh_token"]}

    answer = client.as_(tokens).post("/auth/logout", form)

    assert answer.status_code == 204
    assert_refused(client.refresh(tokens), "session_ended")


@pytest.mark.requirement("SE-05")
def test_logging_out_works_when_the_access_token_is_broken(client, tokens):
    form = {"refresh_token": tokens["refresh_token"]}

    assert client.as_("a.b.c").post("/auth/logout", form).status_code == 204

    assert_over(client, tokens)


def test_a_good_access_token_says_which_session_ends(client, user):
    mine, other = client.log_in(user), client.log_in(user)

    client.as_(mine).post("/auth/logout", {"refresh_token": other["refresh_token"]})

    assert_over(client, mine)
    assert_alive(client, other)


def test_logging_out_again_with_the_refresh_token_is_no_error(app, client, tokens):
    form = {"refresh_token": tokens["refresh_token"]}
    client.post("/auth/logout", form)

    assert client.post("/auth/logout", form).status_code == 204

    assert len(audited(app, "session.ended")) == 1


@pytest.mark.parametrize("body", [None, {}, {"scope": "local"}])
def test_logging_out_needs_some_token(client, body):
    assert_refused(client.post("/auth/logout", body), "token_missing")


def test_logging_out_with_bad_tokens_ends_nothing(app, client, tokens):
    bad = {"refresh_token": "a.b.c"}

    assert_refused(client.as_("a.b.c").post("/auth/logout"), "token_invalid")
    assert_refused(client.post("/auth/logout", bad), "token_invalid")
    assert_refused(
        client.post("/auth/logout", {"refresh_token": tokens["access_token"]}), "token_invalid"
    )

    assert end_reasons(app) == {}
    assert_alive(client, tokens)


@pytest.mark.stores
@pytest.mark.requirement("SE-05", "SE-08")
def test_a_person_ends_all_their_other_sessions(app, client, make_user):
    ann = make_user()
    others, here = [client.log_in(ann) for _ in range(3)], client.log_in(ann)
    stranger = client.log_in(make_user())

    answer = client.as_(here).post("/auth/logout", {"scope": "others"})

    assert answer.status_code == 204
    assert_over(client, *others)
    assert_alive(client, here, stranger)
    assert end_reasons(app) == dict.fromkeys(map(session_of, others), "logout_others")


@pytest.mark.stores
@pytest.mark.requirement("SE-05", "SE-08")
def test_a_person_ends_all_their_sessions(app, client, make_user):
    ann = make_user()
    mine = [client.log_in(ann) for _ in range(3)]
    stranger = client.log_in(make_user())

    answer = client.as_(mine[1]).post("/auth/logout", {"scope": "global"})

    assert answer.status_code == 204
    assert_over(client, *mine)
    assert_alive(client, stranger)
    assert end_reasons(app) == dict.fromkeys(map(session_of, mine), "logout_global")


@pytest.mark.parametrize("scope", ["others", "global"])
def test_ending_other_sessions_needs_an_access_token(app, client, tokens, scope):
    form = {"scope": scope, "refresh_token": tokens["refresh_token"]}
    expired = Forger(app).like(tokens["access_token"], claims={"exp": 1})

    assert_refused(client.post("/auth/logout", form), "token_missing")
    assert_refused(client.as_("a.b.c").post("/auth/logout", form), "token_invalid")
    assert_refused(client.as_(expired).post("/auth/logout", form), "token_expired")

    assert_alive(client, tokens)


@pytest.mark.parametrize("scope", ["", "all", "LOCAL", None, 7, ["local"]])
def test_an_unknown_scope_ends_nothing(client, tokens, scope):
    answer = client.as_(tokens).post("/auth/logout", {"scope": scope})

    assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
    assert_alive(client, tokens)


@pytest.mark.stores
@pytest.mark.requirement("SE-05")
def test_what_a_refresh_gets_during_a_logout_is_dead_after_it(client, tokens):
    refreshes = [lambda: client.refresh(tokens)] * 6

    *answers, logout = at_once(*refreshes, lambda: client.as_(tokens).post("/auth/logout"))

    assert logout.status_code == 204
    for answer in answers:
        if answer.status_code == 200:
            assert_over(client, answer.json)
        else:
            assert_refused(answer, "session_ended")
    assert_over(client, tokens)


# Changing the password


def change_password(client, tokens, current=PASSWORD, new=NEW_PASSWORD):
    form = {"current_password": current, "password": new}
    return client.as_(tokens).post("/auth/password/change", form)


@pytest.mark.stores
@pytest.mark.requirement("SE-07")
def test_a_changed_password_ends_the_other_sessions(app, client, make_user):
    ann = make_user()
    others, here = [client.log_in(ann) for _ in range(2)], client.log_in(ann)
    stranger = client.log_in(make_user())

    answer = change_password(client, here)

    assert answer.status_code == 204
    assert_over(client, *others)
    assert_alive(client, here, stranger)
    assert end_reasons(app) == dict.fromkeys(map(session_of, others), "password_changed")


@pytest.mark.stores
@pytest.mark.requirement("SE-07")
def test_a_password_that_was_not_changed_ends_nothing(app, client, user):
    other, here = client.log_in(user), client.log_in(user)

    assert change_password(client, here, current="a wrong password 42").status_code == 401
    assert change_password(client, here, new="short").status_code == 422

    assert end_reasons(app) == {}
    assert_alive(client, other, here)
