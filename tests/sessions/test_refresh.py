"""Refresh token rotation: repeated and parallel refreshes; see also `test_refresh_reuse`."""

from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from models import Session, User
from tests.rows import audited, rows
from tests.sessions.token_responses import token_claims
from tests.statements import statements_of
from tests.tokens.forgery import assert_rejected


def unused_token_ids(app):
    """Return the ids of the unused refresh tokens, one for each session."""
    return [str(row.current_token_id) for row in rows(app, Session)]


def change_user(app, user, **columns):
    """Change the row of a user, or delete it if no columns are given."""
    with app.app_context(), write_transaction():
        row = db.session.scalars(db.select(User).filter_by(email=user.email)).one()
        for name, value in columns.items():
            setattr(row, name, value)
        if not columns:
            db.session.delete(row)
        db.session.commit()


# Rotation


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_refresh_rotates_the_refresh_token(app, client, tokens):
    child = client.renew(tokens)

    old, new = token_claims(tokens), token_claims(child)
    assert new["jti"] != old["jti"]
    assert unused_token_ids(app) == [new["jti"]]
    event = audited(app, "session.refreshed")[0]
    assert (event.session_id, event.user_id) == (UUID(new["sid"]), UUID(new["sub"]))
    for response in (tokens, child):
        assert client.as_(response).get("/auth/me").status_code == 200


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_refresh_keeps_the_session_and_its_authentication(client, tokens, wait):
    wait(hours=1)

    child = client.renew(tokens)

    old, new = token_claims(tokens, "access_token"), token_claims(child, "access_token")
    for name in ("iss", "aud", "sub", "sid", "auth_time", "amr", "acr", "scope", "roles"):
        assert new[name] == old[name]
    assert 3600 <= new["iat"] - old["iat"] < 3660
    assert new["exp"] - new["iat"] == child["expires_in"] == 600
    assert new["jti"] != old["jti"]
    assert token_claims(child)["sid"] == token_claims(tokens)["sid"]


def test_refresh_response_has_the_members_of_a_login_response(client, tokens):
    child = client.renew(tokens)

    assert child.keys() == tokens.keys() - {"device_token"}  # a refresh returns no device token
    for name in ("status", "token_type", "expires_in", "user"):
        assert child[name] == tokens[name]


@pytest.mark.stores
def test_refresh_updates_user_agent_and_last_seen_time(app, client, tokens, wait):
    wait(hours=1)

    client.post(
        "/auth/refresh",
        {"refresh_token": tokens["refresh_token"]},
        headers={"User-Agent": "another one"},
    )

    session = rows(app, Session)[0]
    assert session.last_seen_at - session.created_at >= timedelta(hours=1)
    assert session.user_agent == "another one"


@pytest.mark.stores
def test_refresh_is_one_update_and_its_audit_row(app, client, tokens):
    sent = statements_of(app, partial(client.renew, tokens))

    words = [statement.split()[0] for statement in sent if not statement.startswith("BEGIN")]
    is_sqlite = app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite")
    assert words == (["UPDATE", "SELECT", "INSERT"] if is_sqlite else ["UPDATE", "INSERT"])


# Reuse interval


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_refresh_repeated_within_the_reuse_interval_returns_the_current_token(
    app, client, tokens, wait
):
    child = client.renew(tokens)
    wait(seconds=9)

    again = client.renew(tokens)

    assert token_claims(again) == token_claims(child)  # jti, exp and all
    assert unused_token_ids(app) == [token_claims(child)["jti"]]
    assert client.as_(again).get("/auth/me").status_code == 200
    assert len(audited(app, "session.refresh_replayed")) == 1
    assert len(audited(app, "session.refreshed")) == 1


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_refresh_with_the_token_before_last_returns_the_current_token(app, client, tokens, wait):
    child = client.renew(tokens)
    wait(seconds=4)
    second = client.renew(child)
    wait(seconds=4)

    again = client.renew(tokens)

    assert token_claims(again) == token_claims(second)
    assert unused_token_ids(app) == [token_claims(second)["jti"]]


@pytest.mark.requirement("OA-08")
def test_refresh_responses_that_are_lost_create_no_second_branch(app, client, tokens, wait):
    newest = tokens
    for _ in range(5):
        cookie_tokens = newest
        newest = client.renew(cookie_tokens)
        assert token_claims(client.renew(cookie_tokens)) == token_claims(newest)

    assert unused_token_ids(app) == [token_claims(newest)["jti"]]
    assert len({token_claims(response)["sid"] for response in (tokens, newest)}) == 1


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_refresh_remembers_the_last_twenty_used_tokens_of_an_interval(app, client, tokens, wait):
    chain = [tokens]
    for _ in range(21):
        chain.append(client.renew(chain[-1]))

    newest = token_claims(chain[-1])
    assert token_claims(client.renew(chain[1])) == newest  # twenty tokens ago
    uses = rows(app, Session)[0].used_tokens
    wait(seconds=11)
    client.renew(chain[-1])
    assert (len(uses), len(rows(app, Session)[0].used_tokens)) == (20 * 48, 48)


# Parallel refreshes


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_refresh_of_one_token_twenty_times_in_parallel_rotates_once(app, client, tokens, wait):
    form = {"refresh_token": tokens["refresh_token"]}

    responses = client.in_parallel(20, "/auth/refresh", form)

    assert [response.status_code for response in responses] == [200] * 20
    children = {token_claims(response.json)["jti"] for response in responses}
    assert unused_token_ids(app) == list(children)
    assert len(audited(app, "session.refreshed")) == 1
    assert len(audited(app, "session.refresh_replayed")) == 19


# Deleted and disabled users


@pytest.mark.stores
def test_refresh_token_of_a_deleted_user_is_rejected(app, client, user, tokens):
    change_user(app, user)

    assert_rejected(client.refresh(tokens), "session_ended")
    assert rows(app, Session) == []
    assert client.as_(tokens).get("/auth/me").status_code == 401


@pytest.mark.stores
def test_refresh_token_of_a_disabled_user_is_rejected(app, client, user, tokens):
    change_user(app, user, disabled_at=clock.now())

    assert_rejected(client.refresh(tokens), "session_ended")

    assert unused_token_ids(app) == [token_claims(tokens)["jti"]]


def test_refresh_that_is_rejected_is_audited(app, client, tokens):
    client.refresh({"refresh_token": "a.b.c"})
    client.as_(tokens).post("/auth/logout")
    client.refresh(tokens)

    refused = audited(app, "token.refused")
    assert [event.details["code"] for event in refused] == ["token_invalid", "session_ended"]
    assert refused[1].session_id == UUID(token_claims(tokens)["sid"])
