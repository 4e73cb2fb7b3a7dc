"""The periodic cleanup: it deletes what has expired, and nothing that still works."""

import pytest

from gatehouse.audit import retention
from gatehouse.operations import cleanup
from models import AuditEvent, Device, OneTimeCode, Session
from tests.rows import audited, rows


def run_cleanup(app):
    with app.app_context():
        cleanup.run_cleanup()


@pytest.mark.requirement("RG-12")
def test_cleanup_deletes_expired_codes_and_keeps_pending_ones(app, client, make_user, wait):
    client.register("late@example.com")
    wait(days=30)
    client.register("new@example.com")
    pending = rows(app, OneTimeCode)[-1].id

    run_cleanup(app)

    assert [row.id for row in rows(app, OneTimeCode)] == [pending]
    assert client.verify("new@example.com").status_code == 200


@pytest.mark.requirement("OA-08", "RG-12")
def test_cleanup_keeps_what_answers_a_repeated_refresh(app, client, make_user):
    tokens = client.log_in(make_user())
    first = client.refresh(tokens)

    run_cleanup(app)
    repeated = client.refresh(tokens)

    assert (first.status_code, repeated.status_code) == (200, 200)
    signed_parts = [each.json["refresh_token"].rpartition(".")[0] for each in (first, repeated)]
    assert signed_parts[0] == signed_parts[1]


@pytest.mark.requirement("RG-12")
def test_cleanup_deletes_ended_sessions_after_thirty_days(app, client, make_user, wait):
    tokens = client.log_in(make_user())
    client.as_(tokens).post("/auth/logout")

    wait(days=29)
    run_cleanup(app)
    kept = len(rows(app, Session))
    wait(days=2)
    run_cleanup(app)

    assert (kept, rows(app, Session)) == (1, [])


@pytest.mark.requirement("RG-12")
def test_cleanup_deletes_used_codes_and_devices_that_expired(app, client, make_user, wait):
    user = make_user()
    client.log_in(user)
    client.post("/auth/password/forgot", {"email": user.email})
    [used] = [row.id for row in rows(app, OneTimeCode)]
    code = client.mailbox(user.email)[0]["variables"]["code"]
    form = {"email": user.email, "code": code, "password": "nine blue umbrellas"}
    assert client.post("/auth/password/reset", form).status_code == 204

    wait(days=2)
    run_cleanup(app)

    assert used not in [row.id for row in rows(app, OneTimeCode)]
    assert rows(app, Device) == []  # a reset forgets them
    client.log_in(type(user)(user.email, form["password"]))
    wait(days=399)
    run_cleanup(app)
    kept = len(rows(app, Device))
    wait(days=2)
    run_cleanup(app)
    assert (kept, rows(app, Device)) == (1, [])


@pytest.mark.stores
@pytest.mark.requirement("RG-12")
@pytest.mark.settings(GATEHOUSE_AUDIT_RETENTION="7776000")
def test_cleanup_deletes_old_audit_events_and_says_how_many(app, client, make_user, wait):
    user = make_user()
    client.log_in(user)
    wait(days=60)
    client.log_in(user)
    wait(days=29)
    run_cleanup(app)
    before = rows(app, AuditEvent)

    wait(days=2)
    run_cleanup(app)

    kept = rows(app, AuditEvent)
    [purged] = audited(app, "audit.purged")
    deleted = {row.id for row in before} - {row.id for row in kept}
    assert purged.details["count"] == len(deleted) > 0
    assert purged.actor_kind == "system"
    assert len(audited(app, "login.succeeded")) == 1
    assert min(row.at.isoformat() for row in kept) >= purged.details["before"]
    run_cleanup(app)
    assert len(audited(app, "audit.purged")) == 1


@pytest.mark.requirement("RG-12")
def test_cleanup_deletes_events_in_batches(app, client, make_user, wait, monkeypatch):
    monkeypatch.setattr(retention, "BATCH_SIZE", 2)
    client.log_in(make_user())
    old = len(rows(app, AuditEvent))
    wait(days=731)

    run_cleanup(app)

    counts = [event.details["count"] for event in audited(app, "audit.purged")]
    assert sum(counts) == old
    assert max(counts) <= 2


@pytest.mark.settings(GATEHOUSE_AUDIT_RETENTION="0")
def test_cleanup_keeps_audit_events_for_ever_if_the_operator_says_so(app, client, make_user, wait):
    client.log_in(make_user())
    before = len(rows(app, AuditEvent))

    wait(days=4000)
    run_cleanup(app)

    assert len(rows(app, AuditEvent)) >= before
    assert audited(app, "audit.purged") == []
