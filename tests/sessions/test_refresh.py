"""A refresh token is exchanged once; its answer may be lost; a thief ends the session."""

from datetime import timedelta
from uuid import UUID

import pytest

from gatehouse.core import clock
from gatehouse.database.session import db, writing
from gatehouse.operations import cleanup
from models import RefreshToken, Revocation, Session, User
from tests.rows import audited, rows
from tests.sessions.answers import claims, refreshed
from tests.tokens.forgery import assert_refused


def unused(app):
    """Return the ids of the refresh tokens that nobody has used."""
    return [str(row.id) for row in rows(app, RefreshToken, used_at=None)]


def change(app, user, **columns):
    """Change a person's row, as an operator does; without columns it is deleted."""
    with app.app_context(), writing():
        row = db.session.scalars(db.select(User).filter_by(email=user.email)).one()
        for name, value in columns.items():
            setattr(row, name, value)
        if not columns:
            db.session.delete(row)
        db.session.commit()


# Rotation


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_a_refresh_token_is_exchanged_for_its_child(app, client, tokens):
    child = refreshed(client, tokens)

    old, new = claims(tokens), claims(child)
    assert new["jti"] != old["jti"]
    assert unused(app) == [new["jti"]]
    assert len(rows(app, RefreshToken)) == 2
    event = audited(app, "session.refreshed")[0]
    assert (event.session_id, event.user_id) == (UUID(new["sid"]), UUID(new["sub"]))
    for answer in (tokens, child):
        assert client.as_(answer).get("/auth/me").status_code == 200


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_a_refresh_keeps_the_session_and_how_it_was_opened(client, tokens, wait):
    wait(hours=1)

    child = refreshed(client, tokens)

    old, new = claims(tokens, "access_token"), claims(child, "access_token")
    for name in ("iss", "aud", "sub", "sid", "auth_time", "amr", "acr", "scope", "roles"):
        assert new[name] == old[name]
    assert new["iat"] - old["iat"] in (3600, 3601)
    assert new["exp"] - new["iat"] == 600
    assert new["jti"] != old["jti"]
    assert claims(child)["sid"] == claims(tokens)["sid"]


def test_the_answer_to_a_refresh_has_the_shape_of_the_answer_to_a_login(client, tokens):
    child = refreshed(client, tokens)

    assert child.keys() == tokens.keys() - {"device_token"}  # the device keeps the one it has
    for name in ("status", "token_type", "expires_in", "user"):
        assert child[name] == tokens[name]


@pytest.mark.stores
def test_a_refresh_notes_who_came_and_when(app, client, tokens, wait):
    wait(hours=1)

    client.post(
        "/auth/refresh",
        {"refresh_token": tokens["refresh_token"]},
        headers={"User-Agent": "another one"},
    )

    session = rows(app, Session)[0]
    assert session.last_seen_at - session.created_at >= timedelta(hours=1)
    assert session.user_agent == "another one"


# The grace


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_a_repeated_refresh_yields_the_current_token_once_more(app, client, tokens, wait):
    child = refreshed(client, tokens)
    wait(seconds=9)

    again = refreshed(client, tokens)

    assert claims(again) == claims(child)  # jti, exp and all
    assert unused(app) == [claims(child)["jti"]]
    assert client.as_(again).get("/auth/me").status_code == 200
    assert len(audited(app, "session.repeated")) == 1
    assert len(audited(app, "session.refreshed")) == 1


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_a_grandparent_within_the_grace_yields_the_current_token(app, client, tokens, wait):
    child = refreshed(client, tokens)
    wait(seconds=4)
    grandchild = refreshed(client, child)
    wait(seconds=4)

    again = refreshed(client, tokens)

    assert claims(again) == claims(grandchild)
    assert unused(app) == [claims(grandchild)["jti"]]


@pytest.mark.requirement("OA-08")
def test_nothing_forks_however_often_answers_are_lost(app, client, tokens):
    newest = tokens
    for _ in range(5):
        held = newest
        newest = refreshed(client, held)
        assert claims(refreshed(client, held)) == claims(newest)

    assert unused(app) == [claims(newest)["jti"]]
    assert len({claims(answer)["sid"] for answer in (tokens, newest)}) == 1


@pytest.mark.requirement("OA-08")
def test_the_grace_runs_from_the_first_use(client, tokens, wait):
    refreshed(client, tokens)
    wait(seconds=6)
    refreshed(client, tokens)
    wait(seconds=6)

    assert_refused(client.refresh(tokens), "refresh_token_reused")


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_a_use_after_the_grace_ends_the_session(app, client, tokens, wait):
    child = refreshed(client, tokens)
    session_id = UUID(claims(child)["sid"])
    wait(seconds=11)

    assert_refused(client.refresh(tokens), "refresh_token_reused")

    assert_refused(client.refresh(child), "session_ended")
    for answer in (tokens, child):
        assert_refused(client.as_(answer).get("/auth/me"), "token_revoked")
    session = rows(app, Session)[0]
    assert (session.id, session.end_reason) == (session_id, "refresh_token_reused")
    assert rows(app, RefreshToken) == []
    assert [row.session_id for row in rows(app, Revocation)] == [session_id]


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_a_theft_is_audited_with_its_end(app, client, tokens, wait):
    refreshed(client, tokens)
    wait(seconds=11)

    client.refresh(tokens)

    reused, ended = audited(app, "session.reused")[0], audited(app, "session.ended")[0]
    assert (reused.outcome, reused.details) == ("failure", {"code": "refresh_token_reused"})
    assert ended.details == {"reason": "refresh_token_reused"}
    for event in (reused, ended):
        assert event.session_id == UUID(claims(tokens)["sid"])
        assert event.user_id == UUID(claims(tokens)["sub"])
        assert event.request_id == reused.request_id


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_a_token_whose_row_is_long_gone_is_a_theft_too(app, client, tokens, wait):
    newest = refreshed(client, tokens)
    wait(minutes=6)
    with app.app_context():
        cleanup.purge()
    assert UUID(claims(tokens)["jti"]) not in {row.id for row in rows(app, RefreshToken)}

    assert_refused(client.refresh(tokens), "refresh_token_reused")

    assert_refused(client.refresh(newest), "session_ended")


@pytest.mark.requirement("OA-08")
def test_a_theft_ends_no_other_session(client, user, tokens, wait):
    other = client.log_in(user)
    refreshed(client, tokens)
    wait(seconds=11)

    client.refresh(tokens)

    assert client.as_(other).get("/auth/me").status_code == 200
    assert client.refresh(other).status_code == 200


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_REFRESH_GRACE="0")
def test_without_a_grace_the_second_use_is_a_theft(client, tokens):
    child = refreshed(client, tokens)

    assert_refused(client.refresh(tokens), "refresh_token_reused")

    assert_refused(client.refresh(child), "session_ended")


@pytest.mark.settings(GATEHOUSE_REFRESH_GRACE="0")
def test_without_a_grace_a_clock_that_is_behind_gives_none(client, tokens, wait):
    refreshed(client, tokens)
    wait(seconds=-1)  # another replica's clock

    assert_refused(client.refresh(tokens), "refresh_token_reused")


@pytest.mark.settings(GATEHOUSE_REFRESH_GRACE="60")
def test_the_grace_can_be_a_minute(client, tokens, wait):
    child = refreshed(client, tokens)
    wait(seconds=59)

    assert claims(refreshed(client, tokens)) == claims(child)

    wait(seconds=2)
    assert_refused(client.refresh(tokens), "refresh_token_reused")


# At the same instant


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
def test_twenty_refreshes_at_once_have_one_child(app, client, tokens):
    form = {"refresh_token": tokens["refresh_token"]}

    answers = client.in_parallel(20, "/auth/refresh", form)

    assert [answer.status_code for answer in answers] == [200] * 20
    children = {claims(answer.json)["jti"] for answer in answers}
    assert unused(app) == list(children)
    assert len(rows(app, RefreshToken)) == 2
    assert len(audited(app, "session.refreshed")) == 1
    assert len(audited(app, "session.repeated")) == 19


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_REFRESH_GRACE="0")
@pytest.mark.requirement("OA-08")
def test_without_a_grace_one_of_twenty_gets_a_child_and_the_session_ends(app, client, tokens):
    form = {"refresh_token": tokens["refresh_token"]}

    answers = client.in_parallel(20, "/auth/refresh", form)

    codes = sorted(answer.json.get("code", "") for answer in answers)
    assert codes[0] == ""
    assert set(codes[1:]) <= {"refresh_token_reused", "session_ended"}
    assert "refresh_token_reused" in codes
    assert len(audited(app, "session.refreshed")) == 1
    assert len(audited(app, "session.ended")) == 1


# Whose it is


@pytest.mark.stores
def test_a_refresh_token_of_a_deleted_person_is_worth_nothing(app, client, user, tokens):
    change(app, user)

    assert_refused(client.refresh(tokens), "session_ended")
    assert rows(app, Session) == []
    assert client.as_(tokens).get("/auth/me").status_code == 401


@pytest.mark.stores
def test_a_refresh_token_of_a_disabled_person_is_not_exchanged(app, client, user, tokens):
    change(app, user, disabled_at=clock.now())

    assert_refused(client.refresh(tokens), "session_ended")

    assert unused(app) == [claims(tokens)["jti"]]


def test_a_refused_refresh_is_audited(app, client, tokens):
    client.refresh({"refresh_token": "a.b.c"})
    client.as_(tokens).post("/auth/logout")
    client.refresh(tokens)

    refused = audited(app, "token.refused")
    assert [event.details["code"] for event in refused] == ["token_invalid", "session_ended"]
    assert refused[1].session_id == UUID(claims(tokens)["sid"])
