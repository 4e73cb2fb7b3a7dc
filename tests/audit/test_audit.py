"""Audit events are recorded once, with their request, in the transaction of what they report."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.database.session import db, end_transaction
from gatehouse.web.request_context import NO_REQUEST
from models import AuditEvent, OneTimeCode, OutboxMessage, Password, Session, User
from tests.audit import (  # noqa: F401 - register theirs
    application_scenarios,
    client_scenarios,
    federation_scenarios,
    hook_scenarios,
    role_scenarios,
    service_account_scenarios,
)
from tests.audit.event_scenarios import ADA, NEW, SCENARIOS, Scenario, create_outdated_hash
from tests.client import PASSWORD
from tests.client import User as ClientUser
from tests.mail_links import advance_clock
from tests.rows import audited, rows

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def scenario(app, client):
    return Scenario(app, client)


@pytest.mark.requirement("LG-01")
def test_event_catalogue_has_a_scenario_for_every_event():
    assert SCENARIOS.keys() == {event.name for event in events.all_events()}


@pytest.mark.requirement("LG-01")
@pytest.mark.parametrize("event", list(events.all_events()), ids=lambda event: event.name)
def test_event_is_recorded_once_with_its_outcome_and_time(app, scenario, event):
    before = len(audited(app, event.name))

    SCENARIOS[event.name](scenario)

    recorded = audited(app, event.name)
    assert len(recorded) == before + 1
    assert recorded[-1].outcome == event.outcome
    assert abs(datetime.now(UTC) - recorded[-1].at) < timedelta(minutes=11)


@pytest.mark.requirement("LG-01")
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
        db.session.execute(sa.text("ALTER TABLE token_status_entries RENAME TO lost"))
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


# Actors and targets


def actor_of(event):
    """Return the kind and id of who acted, and the client of the token."""
    return event.actor_kind, event.actor_id, event.client_id


@pytest.mark.requirement("LG-01")
@pytest.mark.stores
def test_event_names_the_user_of_the_token_as_actor(app, either_client, make_user):
    signed_in = either_client.as_(either_client.log_in(make_user()))
    [user] = rows(app, User)

    signed_in.patch("/auth/me", {"name": "Ada"})
    signed_in.post("/auth/logout", {})

    changed = audited(app, "account.profile_changed", "session.ended")
    assert [actor_of(event) for event in changed] == [("user", user.id, "gatehouse")] * 2


def test_event_of_a_request_without_a_token_has_no_actor(app, client, make_user):
    user = make_user()
    [row] = rows(app, User)

    client.post("/auth/login", {"identifier": user.email, "password": "a wrong guess"})
    client.post("/auth/password/forgot", {"email": user.email})

    failed = audited(app, "login.failed", "password_reset.requested")
    assert [event.user_id for event in failed] == [row.id] * 2
    assert [actor_of(event) for event in failed] == [("anonymous", None, None)] * 2


def test_event_of_an_invalid_token_has_no_actor(app, client, make_user):
    tokens = client.log_in(make_user())
    client.as_(tokens).post("/auth/logout", {})
    before = len(rows(app, AuditEvent))

    client.as_(tokens).patch("/auth/me", {"name": "Ada"})
    client.as_(tokens).post("/auth/login", {"identifier": "ada@example.com", "password": "wrong"})

    assert [actor_of(event) for event in rows(app, AuditEvent)[before:]] == [
        ("anonymous", None, None)
    ]


def test_event_of_a_successful_authentication_names_its_user_as_actor(app, client, make_user):
    tokens = client.log_in(make_user())
    client.refresh(tokens)
    [user] = rows(app, User)

    done = audited(app, "login.succeeded", "session.refreshed")
    assert [actor_of(event) for event in done] == [("user", user.id, "gatehouse")] * 2


def test_event_of_a_code_by_mail_names_the_owner_as_actor(app, client):
    client.sign_up(ClientUser("ada@example.com"))

    [user] = rows(app, User)
    [verified] = audited(app, "registration.verified")
    assert actor_of(verified) == ("user", user.id, "gatehouse")
    assert actor_of(audited(app, "registration.requested")[0]) == ("anonymous", None, None)


def test_event_of_a_command_names_an_operator_and_of_a_job_the_system(app, scenario):
    [created, *_] = audited(app, "key.created")

    scenario.command("keys", "rotate")

    assert actor_of(created) == ("system", None, None)
    assert actor_of(audited(app, "key.activated")[-1]) == ("operator", None, None)


def test_event_of_one_request_is_not_attributed_to_the_actor_of_another(app, client, make_user):
    """Both requests share an application context here, as `flask.g` would."""
    tokens = client.log_in(make_user())
    with app.app_context():
        client.as_(tokens).patch("/auth/me", {"name": "Ada"})
        client.post("/auth/login", {"identifier": "ada@example.com", "password": "wrong"})

    assert actor_of(audited(app, "login.failed")[0]) == ("anonymous", None, None)


@pytest.mark.requirement("LG-01")
def test_event_names_its_target_unless_it_is_the_user(app, client, make_user):
    tokens = client.log_in(make_user())
    client.as_(tokens).patch("/auth/me", {"name": "Ada"})
    client.as_(tokens).post("/auth/logout", {})

    [session] = rows(app, Session)
    [changed] = audited(app, "account.profile_changed")
    [ended] = audited(app, "session.ended")
    [key, *_] = audited(app, "key.created")
    assert (changed.target_kind, changed.target_id) == (None, None)
    assert (ended.target_kind, ended.target_id) == ("session", str(session.id))
    assert (key.target_kind, key.target_id) == ("signing_key", key.details["kid"])
