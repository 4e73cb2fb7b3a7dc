"""Every event is recorded once, with who and from where, in the transaction of its effect."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.database.session import db, release
from gatehouse.web.request_context import NOBODY
from models import AuditEvent, Challenge, OutboxMessage, Password, Session, User
from tests.audit.deeds import ADA, DEEDS, NEW, World, make_stale
from tests.client import PASSWORD
from tests.letters import later
from tests.rows import audited, rows

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def world(app, client):
    return World(app, client)


def test_there_is_a_deed_for_every_event_of_the_catalogue():
    assert DEEDS.keys() == {event.name for event in events.every()}


@pytest.mark.parametrize("event", list(events.every()), ids=lambda event: event.name)
def test_an_event_is_recorded_once_with_its_outcome_and_its_time(app, world, event):
    before = len(audited(app, event.name))

    DEEDS[event.name](world)

    recorded = audited(app, event.name)
    assert len(recorded) == before + 1
    assert recorded[-1].outcome == event.outcome
    assert abs(datetime.now(UTC) - recorded[-1].at) < timedelta(minutes=11)


@pytest.mark.stores
def test_an_event_names_the_request_and_who_sent_it(app, client):
    headers = {"X-Request-Id": "trace-7", "User-Agent": f"{AGENT}\u00ff"}
    form = {"identifier": ADA, "password": PASSWORD}

    answer = client.post("/auth/login", form, headers=headers)

    [event] = audited(app, "login.failed")
    assert event.request_id == answer.headers["X-Request-Id"] == answer.json["request_id"]
    assert (event.request_id, event.address) == ("trace-7", "127.0.0.1")
    assert event.user_agent.startswith(AGENT)
    assert event.user_agent.isascii()


@pytest.mark.stores
def test_what_an_operator_does_is_recorded_as_the_command_lines(app, world):
    world.command("users", "invite", ADA)

    [event] = audited(app, "invitation.sent")
    assert (event.request_id, event.address) == ("command-line", "")


@pytest.mark.stores
def test_events_outlive_the_person_they_tell_about(app, world):
    world.tokens()
    [user] = rows(app, User)

    with app.app_context():
        db.session.execute(sa.delete(User))
        db.session.commit()

    assert [event.user_id for event in audited(app, "login.succeeded")] == [user.id]


def drop(app, table):
    """Lose a table, so that whatever writes to it fails."""
    with app.app_context():
        db.session.execute(sa.text(f"DROP TABLE {table.__tablename__}"))
        db.session.commit()


@pytest.mark.stores
def test_nothing_happens_that_cannot_be_recorded(app, client, world):
    tokens = world.tokens()
    before = rows(app, Password)[0].hash
    drop(app, AuditEvent)

    change = {"current_password": PASSWORD, "password": NEW}
    answers = [
        client.register("bob@example.com"),
        client.as_(tokens).post("/auth/password/change", change),
        client.as_(tokens).post("/auth/logout", {}),
    ]

    assert {answer.status_code // 100 for answer in answers} == {5}
    assert rows(app, Challenge) == []
    assert rows(app, OutboxMessage) == []
    assert [row.hash for row in rows(app, Password)] == [before]
    assert [session.ended_at for session in rows(app, Session)] == [None]


@pytest.mark.stores
def test_nothing_is_recorded_that_did_not_happen(app, client, world):
    make_stale(world)
    before = len(rows(app, AuditEvent))
    [stale] = rows(app, Password)
    drop(app, OutboxMessage)

    registered = client.register("bob@example.com")
    with app.app_context():
        db.session.execute(sa.text("ALTER TABLE refresh_tokens RENAME TO lost"))
        db.session.commit()
    logged_in = client.post("/auth/login", {"identifier": ADA, "password": PASSWORD})

    assert {registered.status_code // 100, logged_in.status_code // 100} == {5}
    assert len(rows(app, AuditEvent)) == before
    assert [row.hash for row in rows(app, Password)] == [stale.hash]


@pytest.mark.stores
@pytest.mark.parametrize("undo", [db.session.rollback, release], ids=["undone", "let go of"])
def test_an_event_of_a_transaction_that_is_given_up_is_not_written_with_the_next(app, undo):
    with app.app_context():
        record(events.Login.SUCCEEDED, NOBODY)
        undo()
        record(events.Login.FAILED, NOBODY)
        db.session.commit()

    assert [row.name for row in audited(app, "login.succeeded", "login.failed")] == ["login.failed"]


@pytest.mark.stores
def test_a_refusal_is_recorded_after_its_request_was_undone(app, client, world):
    tokens = world.tokens()
    client.refresh(tokens)
    [before] = rows(app, Session)

    with later(seconds=60):
        reuse = {"refresh_token": tokens["refresh_token"]}
        answer = client.post("/auth/refresh", reuse, headers={"User-Agent": "Thief/1.0"})

    [session] = rows(app, Session)
    [reused] = audited(app, "session.reused")
    [ended] = audited(app, "session.ended")
    assert answer.json["code"] == "refresh_token_reused"
    assert session.user_agent == before.user_agent  # what the request wrote is undone
    assert session.end_reason == ended.details["reason"] == "refresh_token_reused"
    assert reused.session_id == ended.session_id == session.id
    assert reused.request_id == ended.request_id == answer.headers["X-Request-Id"]
