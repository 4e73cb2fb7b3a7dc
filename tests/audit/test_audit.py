"""Audit events are recorded once, with their request, in the transaction of what they report."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.database.session import db, end_transaction
from gatehouse.web.request_context import NO_REQUEST
from models import AuditEvent, OneTimeCode, OutboxMessage, Password, Session, User
from tests.audit.event_scenarios import ADA, NEW, SCENARIOS, Scenario, create_outdated_hash
from tests.client import PASSWORD
from tests.mail_links import advance_clock
from tests.rows import audited, rows

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def scenario(app, client):
    return Scenario(app, client)


def test_event_catalogue_has_a_scenario_for_every_event():
    assert SCENARIOS.keys() == {event.name for event in events.all_events()}


@pytest.mark.parametrize("event", list(events.all_events()), ids=lambda event: event.name)
def test_event_is_recorded_once_with_its_outcome_and_time(app, scenario, event):
    before = len(audited(app, event.name))

    SCENARIOS[event.name](scenario)

    recorded = audited(app, event.name)
    assert len(recorded) == before + 1
    assert recorded[-1].outcome == event.outcome
    assert abs(datetime.now(UTC) - recorded[-1].at) < timedelta(minutes=11)


@pytest.mark.stores
def test_event_has_the_request_id_ip_address_and_user_agent(app, client):
    headers = {"X-Request-Id": "trace-7", "User-Agent": f"{AGENT}\u00ff"}
    form = {"identifier": ADA, "password": PASSWORD}

    response = client.post("/auth/login", form, headers=headers)

    [event] = audited(app, "login.failed")
    assert event.request_id == response.headers["X-Request-Id"] == response.json["request_id"]
    assert (event.request_id, event.ip_address) == ("trace-7", "127.0.0.1")
    assert event.user_agent.startswith(AGENT)
    assert event.user_agent.isascii()


@pytest.mark.stores
def test_event_of_a_command_has_no_ip_address(app, scenario):
    scenario.command("users", "invite", ADA)

    [event] = audited(app, "invitation.sent")
    assert (event.request_id, event.ip_address) == ("command-line", "")


@pytest.mark.stores
def test_events_remain_after_their_user_is_deleted(app, scenario):
    scenario.tokens()
    [user] = rows(app, User)

    with app.app_context():
        db.session.execute(sa.delete(User))
        db.session.commit()

    assert [event.user_id for event in audited(app, "login.succeeded")] == [user.id]


def drop_table(app, table):
    """Drop a table, so that writing to it fails."""
    with app.app_context():
        db.session.execute(sa.text(f"DROP TABLE {table.__tablename__}"))
        db.session.commit()


@pytest.mark.stores
def test_change_is_rolled_back_if_its_event_cannot_be_written(app, client, scenario):
    tokens = scenario.tokens()
    before = rows(app, Password)[0].hash
    drop_table(app, AuditEvent)

    change = {"current_password": PASSWORD, "password": NEW}
    responses = [
        client.register("bob@example.com"),
        client.as_(tokens).post("/auth/password/change", change),
        client.as_(tokens).post("/auth/logout", {}),
    ]

    assert {response.status_code // 100 for response in responses} == {5}
    assert rows(app, OneTimeCode) == []
    assert rows(app, OutboxMessage) == []
    assert [row.hash for row in rows(app, Password)] == [before]
    assert [session.ended_at for session in rows(app, Session)] == [None]


@pytest.mark.stores
def test_event_is_not_written_if_its_change_is_rolled_back(app, client, scenario):
    create_outdated_hash(scenario)
    before = len(rows(app, AuditEvent))
    [password] = rows(app, Password)
    drop_table(app, OutboxMessage)

    registered = client.register("bob@example.com")
    with app.app_context():
        db.session.execute(sa.text("ALTER TABLE refresh_tokens RENAME TO lost"))
        db.session.commit()
    logged_in = client.post("/auth/login", {"identifier": ADA, "password": PASSWORD})

    assert {registered.status_code // 100, logged_in.status_code // 100} == {5}
    assert len(rows(app, AuditEvent)) == before
    assert [row.hash for row in rows(app, Password)] == [password.hash]


@pytest.mark.stores
@pytest.mark.parametrize(
    "end", [db.session.rollback, end_transaction], ids=["rollback", "end_transaction"]
)
def test_event_of_a_discarded_transaction_is_not_written_with_the_next(app, end):
    with app.app_context():
        record(events.Login.SUCCEEDED, NO_REQUEST)
        end()
        record(events.Login.FAILED, NO_REQUEST)
        db.session.commit()

    assert [row.name for row in audited(app, "login.succeeded", "login.failed")] == ["login.failed"]


@pytest.mark.stores
def test_event_of_an_error_is_written_after_the_rollback(app, client, scenario):
    tokens = scenario.tokens()
    client.refresh(tokens)
    [before] = rows(app, Session)

    with advance_clock(seconds=60):
        reuse = {"refresh_token": tokens["refresh_token"]}
        response = client.post("/auth/refresh", reuse, headers={"User-Agent": "Attacker/1.0"})

    [session] = rows(app, Session)
    [reused] = audited(app, "session.refresh_reused")
    [ended] = audited(app, "session.ended")
    assert response.json["code"] == "refresh_token_reused"
    assert session.user_agent == before.user_agent  # the update of the request is rolled back
    assert session.end_reason == ended.details["reason"] == "refresh_token_reused"
    assert reused.session_id == ended.session_id == session.id
    assert reused.request_id == ended.request_id == response.headers["X-Request-Id"]
