"""Uses of API keys: verified without a query, written in batches, counted when they are wrong."""

import pytest

from gatehouse.core import crypto
from gatehouse.service_accounts import key_format, key_usage
from models import ApiKey, AuditEvent
from tests.log_lines import read_log_lines
from tests.rows import audited, rows
from tests.service_accounts.conftest import outcome
from tests.statements import record_statements

USERS = "/admin/users"


def unknown_key():
    return key_format.create_key(crypto.new_id())


def write_usage(app):
    with app.app_context():
        key_usage.write_usage()


def test_key_is_verified_at_a_gateway_without_a_query(app, client, make_key):
    key = make_key("users:read")
    texts = (key.text, unknown_key(), "ghk_nonsense")

    with record_statements(app) as statements:
        statuses = [
            client.as_(text).get("/gateway/verify?require=users:read").status_code for text in texts
        ]

    assert (statuses, statements) == ([200, 401, 401], [])


@pytest.mark.stores
def test_key_has_its_last_use_written_in_batches(app, admin, make_key):
    key = make_key()

    for _ in range(3):
        key.client.get("/gateway/verify")
    before = admin.get(key.url).json["last_used_at"]
    write_usage(app)

    assert before is None
    assert admin.get(key.url).json["last_used_at"] is not None
    with record_statements(app) as statements:
        write_usage(app)
    assert statements == []


def test_key_that_is_rejected_is_audited_once_for_each_kind(app, admin, make_key):
    key = make_key()
    admin.delete(key.url)

    for _ in range(3):
        key.client.get("/gateway/verify")
        key.client.get(USERS)
    for _ in range(2):
        key.client.as_(unknown_key()).get("/gateway/verify")
    write_usage(app)

    events = audited(app, "api_key.rejected")
    found = {event.details["code"]: (event.details["count"], event.target_id) for event in events}
    assert found == {"api_key_revoked": (6, key.id), "api_key_invalid": (2, None)}
    assert {event.ip_address for event in events} == {"127.0.0.1"}


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_keys_that_do_not_exist_are_limited_for_a_network(app, client, make_key):
    key = make_key()

    outcomes = [outcome(client.as_(unknown_key()).get(USERS)) for _ in range(21)]

    assert outcomes == [(401, "api_key_invalid")] * 20 + [(429, "rate_limited")]
    assert key.client.get(USERS).status_code == 200  # who shares the network is not locked out


@pytest.mark.requirement("AZ-03")
def test_key_is_in_no_log_no_event_and_no_row(app, admin, make_key, capsys):
    key, unknown = make_key(), unknown_key()

    rotated = admin.post(f"{key.url}/rotate").json["key"]
    for text in (key.text, unknown, rotated):
        for path in (USERS, "/gateway/verify", "/auth/me", "/admin/nothing"):
            key.client.as_(text).get(path)
    write_usage(app)

    events = [vars(event) for event in rows(app, AuditEvent)]
    kept = str((read_log_lines(capsys), events, [vars(row) for row in rows(app, ApiKey)]))
    for text in (key.text, unknown, rotated):
        assert text.rpartition("_")[2] not in kept
