"""Time limits of sessions, and the number of sessions per user."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from gatehouse.database.session import advisory_lock, db, write_transaction
from gatehouse.sessions import service as sessions
from gatehouse.users import service as users
from gatehouse.web.request_context import NO_REQUEST
from models import Session, User
from tests.rows import audited, rows
from tests.sessions.token_responses import assert_active, assert_ended, session_id_of, token_claims
from tests.tokens.forgery import assert_rejected

DAY = 24 * 3600


# Time limits


@pytest.mark.stores
@pytest.mark.requirement("SE-04")
def test_session_ends_after_the_idle_limit_without_a_refresh(client, tokens, wait):
    assert token_claims(tokens)["exp"] - token_claims(tokens)["iat"] == 14 * DAY
    wait(days=14, seconds=1)

    assert_rejected(client.refresh(tokens), "session_ended")

    wait(seconds=10)
    assert_rejected(client.refresh(tokens), "token_expired")


@pytest.mark.requirement("SE-04")
def test_refresh_restarts_the_idle_limit(client, tokens, wait):
    for _ in range(2):
        wait(days=13)
        tokens = client.renew(tokens)

    assert client.as_(tokens).get("/auth/me").status_code == 200


@pytest.mark.requirement("OA-09")
@pytest.mark.stores
@pytest.mark.requirement("SE-04")
def test_session_ends_after_thirty_days_despite_refreshes(app, client, tokens, wait):
    opened = rows(app, Session)[0].created_at
    for _ in range(2):
        wait(days=13)
        tokens = client.renew(tokens)

    end = opened + timedelta(days=30)
    assert token_claims(tokens)["exp"] == int(end.timestamp())  # not 26 + 14 days
    wait(days=4, seconds=-10)
    tokens = client.renew(tokens)
    assert token_claims(tokens)["exp"] == int(end.timestamp())
    wait(seconds=11)
    assert_rejected(client.refresh(tokens), "session_ended")


@pytest.mark.requirement("SE-04")
def test_refresh_replayed_within_the_reuse_interval_prolongs_nothing(app, client, tokens, wait):
    child = client.renew(tokens)
    limit = rows(app, Session)[0].idle_at
    wait(seconds=9)

    client.renew(tokens)

    assert rows(app, Session)[0].idle_at == limit
    assert token_claims(child)["exp"] == int(limit.timestamp())


@pytest.mark.requirement("SE-04")
def test_access_token_expires_no_later_than_its_session(client, tokens, wait):
    for _ in range(2):
        wait(days=13)
        tokens = client.renew(tokens)
    end = token_claims(tokens)["exp"]
    wait(days=4, minutes=-5)

    last = client.renew(tokens)

    assert token_claims(last, "access_token")["exp"] == end
    assert last["expires_in"] <= 300
    wait(minutes=5, seconds=6)
    assert_rejected(client.as_(last).get("/auth/me"), "token_expired")


@pytest.mark.requirement("SE-04")
@pytest.mark.settings(GATEHOUSE_SESSION_LIFETIME="90", GATEHOUSE_SESSION_IDLE_TIMEOUT="60")
@pytest.mark.settings(GATEHOUSE_ACCESS_TOKEN_LIFETIME="60")
def test_session_limits_are_configurable(client, tokens, wait):
    assert token_claims(tokens)["exp"] - token_claims(tokens)["iat"] == 60
    assert tokens["expires_in"] in (59, 60)
    wait(seconds=50)
    tokens = client.renew(tokens)
    assert token_claims(tokens)["exp"] - token_claims(tokens)["iat"] in (39, 40)

    wait(seconds=41)

    assert_rejected(client.refresh(tokens), "session_ended")


def test_access_token_lifetime_is_ten_minutes(tokens):
    assert tokens["expires_in"] in (599, 600)


@pytest.mark.settings(GATEHOUSE_ACCESS_TOKEN_LIFETIME="30")
def test_access_token_lifetime_is_configurable(client, tokens, wait):
    assert tokens["expires_in"] in (29, 30)
    assert client.as_(tokens).get("/auth/me").status_code == 200

    wait(seconds=36)  # the leeway is 5 s

    assert_rejected(client.as_(tokens).get("/auth/me"), "token_expired")


# Number of sessions


def load_only_user():
    columns = users.profile_columns()
    row = db.session.execute(select(User, *columns)).one()
    return users.build_user_with_profile(row.User, row)


def open_sessions(app, number):
    """Open sessions without logins; return their ids."""
    known = {str(row.id) for row in rows(app, Session)}
    with app.app_context():
        for _ in range(number):
            with write_transaction():
                person = load_only_user()
                sessions.open_session(person, ["pwd"], NO_REQUEST)
            db.session.commit()
    return {str(row.id) for row in rows(app, Session)} - known


@pytest.mark.stores
@pytest.mark.requirement("SE-09")
def test_session_limit_ends_the_oldest_of_fifty_sessions(app, client, user):
    oldest, next_oldest = client.log_in(user), client.log_in(user)
    others = open_sessions(app, 48)
    before = rows(app, Session, ended_at=None)

    newest = client.log_in(user)

    living = {str(row.id) for row in rows(app, Session, ended_at=None)}
    assert len(before) == len(living) == 50
    assert living == others | {session_id_of(next_oldest), session_id_of(newest)}
    assert_ended(client, oldest)
    assert_active(client, next_oldest, newest)
    event = audited(app, "session.ended")[0]
    assert event.details == {"reason": "too_many_sessions"}


@pytest.mark.stores
@pytest.mark.requirement("SE-09")
def test_session_limit_holds_for_parallel_logins(app, client, user, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 3)
    first = client.log_in(user)
    form = {"identifier": user.email, "password": user.password}

    responses = client.in_parallel(5, "/auth/login", form)  # few enough for the lockout

    assert [response.status_code for response in responses] == [200] * 5
    living = {str(row.id) for row in rows(app, Session, ended_at=None)}
    assert len(living) == 3
    assert living < {session_id_of(response.json) for response in responses}
    assert_ended(client, first)
    assert len(audited(app, "session.ended")) == 3


@pytest.mark.stores
@pytest.mark.requirement("SE-09")
def test_session_limit_counts_a_login_that_is_not_committed_yet(app, client, user, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 1)
    second = threading.Thread(target=client.log_in, args=[user])

    with app.app_context():
        with write_transaction():
            person = load_only_user()
            advisory_lock(users.lock_key(person.user.id))
            sessions.open_session(person, ("pwd",), NO_REQUEST)
            second.start()
            second.join(timeout=0.5)  # it must wait for the lock
        db.session.commit()
    second.join(timeout=60)

    living = [str(row.id) for row in rows(app, Session, ended_at=None)]
    assert living == [session_id_of(user.tokens)]
