"""How long sessions last, and how many of them one person has."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from gatehouse.database.session import db, writing
from gatehouse.sessions import service as sessions
from gatehouse.users import service as users
from gatehouse.web.request_context import NOBODY
from models import Session, User
from tests.rows import audited, rows
from tests.sessions.answers import assert_alive, assert_over, claims, refreshed, session_of
from tests.tokens.forgery import assert_refused

DAY = 24 * 3600


# In time


@pytest.mark.stores
@pytest.mark.requirement("SE-04")
def test_a_session_that_nobody_refreshes_ends_after_the_idle_limit(client, tokens, wait):
    assert claims(tokens)["exp"] - claims(tokens)["iat"] == 14 * DAY
    wait(days=14, seconds=1)

    assert_refused(client.refresh(tokens), "session_ended")

    wait(seconds=10)
    assert_refused(client.refresh(tokens), "token_expired")


@pytest.mark.requirement("SE-04")
def test_every_refresh_starts_the_idle_limit_anew(client, tokens, wait):
    for _ in range(2):
        wait(days=13)
        tokens = refreshed(client, tokens)

    assert client.as_(tokens).get("/auth/me").status_code == 200


@pytest.mark.stores
@pytest.mark.requirement("SE-04")
def test_a_session_ends_after_thirty_days_whatever_happens(app, client, tokens, wait):
    opened = rows(app, Session)[0].created_at
    for _ in range(2):
        wait(days=13)
        tokens = refreshed(client, tokens)

    end = opened + timedelta(days=30)
    assert claims(tokens)["exp"] == int(end.timestamp())  # not 26 + 14 days
    wait(days=4, seconds=-10)
    tokens = refreshed(client, tokens)
    assert claims(tokens)["exp"] == int(end.timestamp())
    wait(seconds=11)
    assert_refused(client.refresh(tokens), "session_ended")


@pytest.mark.requirement("SE-04")
def test_a_repeat_within_the_grace_prolongs_nothing(app, client, tokens, wait):
    child = refreshed(client, tokens)
    limit = rows(app, Session)[0].idle_at
    wait(seconds=9)

    refreshed(client, tokens)

    assert rows(app, Session)[0].idle_at == limit
    assert claims(child)["exp"] == int(limit.timestamp())


@pytest.mark.requirement("SE-04")
def test_an_access_token_never_outlives_its_session(client, tokens, wait):
    for _ in range(2):
        wait(days=13)
        tokens = refreshed(client, tokens)
    end = claims(tokens)["exp"]
    wait(days=4, minutes=-5)

    last = refreshed(client, tokens)

    assert claims(last, "access_token")["exp"] == end
    assert last["expires_in"] <= 300
    wait(minutes=5, seconds=6)
    assert_refused(client.as_(last).get("/auth/me"), "token_expired")


@pytest.mark.requirement("SE-04")
@pytest.mark.settings(GATEHOUSE_SESSION_LIFETIME="90", GATEHOUSE_SESSION_IDLE="60")
@pytest.mark.settings(GATEHOUSE_ACCESS_TOKEN_LIFETIME="60")
def test_the_limits_can_be_chosen(client, tokens, wait):
    assert claims(tokens)["exp"] - claims(tokens)["iat"] == 60
    assert tokens["expires_in"] in (59, 60)
    wait(seconds=50)
    tokens = refreshed(client, tokens)
    assert claims(tokens)["exp"] - claims(tokens)["iat"] in (39, 40)

    wait(seconds=41)

    assert_refused(client.refresh(tokens), "session_ended")


def test_an_access_token_lives_for_ten_minutes(tokens):
    assert tokens["expires_in"] in (599, 600)


@pytest.mark.settings(GATEHOUSE_ACCESS_TOKEN_LIFETIME="30")
def test_the_life_of_an_access_token_can_be_chosen(client, tokens, wait):
    assert tokens["expires_in"] in (29, 30)
    assert client.as_(tokens).get("/auth/me").status_code == 200

    wait(seconds=36)  # the leeway is 5 s

    assert_refused(client.as_(tokens).get("/auth/me"), "token_expired")


# In number


def open_sessions(app, number):
    """Open sessions as logins do; return their ids."""
    known = {str(row.id) for row in rows(app, Session)}
    with app.app_context():
        for _ in range(number):
            with writing():
                person = users.person(db.session.scalars(select(User)).one(), None)
                sessions.open_session(person, ["pwd"], NOBODY)
            db.session.commit()
    return {str(row.id) for row in rows(app, Session)} - known


@pytest.mark.stores
@pytest.mark.requirement("SE-09")
def test_the_oldest_of_fifty_sessions_makes_room(app, client, user):
    oldest, next_oldest = client.log_in(user), client.log_in(user)
    others = open_sessions(app, 48)
    before = rows(app, Session, ended_at=None)

    newest = client.log_in(user)

    living = {str(row.id) for row in rows(app, Session, ended_at=None)}
    assert len(before) == len(living) == 50
    assert living == others | {session_of(next_oldest), session_of(newest)}
    assert_over(client, oldest)
    assert_alive(client, next_oldest, newest)
    event = audited(app, "session.ended")[0]
    assert event.details == {"reason": "too_many_sessions"}


@pytest.mark.stores
@pytest.mark.requirement("SE-09")
def test_the_cap_holds_when_many_log_in_at_once(app, client, user, monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 3)
    first = client.log_in(user)
    form = {"identifier": user.email, "password": user.password}

    answers = client.in_parallel(5, "/auth/login", form)  # the lockout counts before it evaluates

    assert [answer.status_code for answer in answers] == [200] * 5
    living = {str(row.id) for row in rows(app, Session, ended_at=None)}
    assert len(living) == 3
    assert living < {session_of(answer.json) for answer in answers}
    assert_over(client, first)
    assert len(audited(app, "session.ended")) == 3


@pytest.mark.stores
@pytest.mark.requirement("SE-09")
def test_a_log_in_waits_for_the_one_before_it_and_counts_it(app, client, user, monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 1)
    second = threading.Thread(target=client.log_in, args=[user])

    with app.app_context():
        with writing():
            person = users.person(db.session.scalars(select(User)).one(), None)
            sessions.open_session(person, ("pwd",), NOBODY)
            second.start()
            second.join(timeout=0.5)  # it must not get through yet
        db.session.commit()
    second.join(timeout=10)

    living = [str(row.id) for row in rows(app, Session, ended_at=None)]
    assert living == [session_of(user.tokens)]
