"""The lockout blocks the device or network that fails, and not the owner elsewhere."""

import pytest
from sqlalchemy import text

from gatehouse.database.session import db, write_transaction
from gatehouse.lockout import service as lockout
from gatehouse.web.request_context import RequestContext
from models import Device, FailedAttemptCounter, User
from tests.client import PASSWORD
from tests.login_attempts import (
    ADA,
    ELSEWHERE,
    HERE,
    attempt_from_networks,
    attempt_times,
    set_failures,
)
from tests.rows import audited, rows

UNKNOWN = ("unknown@example.com", "unknown", "+4915187654321", "no such @ thing", "\u0131")
WAITS = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA, username="ada", phone="+4915112345678")


@pytest.fixture
def device(client, ada):
    """The token of a device on which Ada has logged in."""
    return client.log_in(ada)["device_token"]


def comparable(response):
    """Return status, body and headers of a response, without its request id and seconds."""
    wait, varying = str(response.json["retry_after"]), ("X-Request-Id", "Date", "Retry-After")
    headers = {name: value for name, value in response.headers if name not in varying}
    assert response.headers["Retry-After"] == wait
    text = response.text.replace(response.json["request_id"], "ID")
    return response.status_code, text.replace(f'"retry_after":{wait}', "SECONDS"), headers


# One network


@pytest.mark.stores
@pytest.mark.requirement("RL-01")
def test_network_is_blocked_after_five_failures_until_its_wait_is_over(
    ada, attempt_login, hasher_calls, wait
):
    hasher_calls.clear()

    statuses = attempt_times(attempt_login, 5)
    blocked = attempt_login()

    assert statuses == [401] * 5
    assert (blocked.status_code, blocked.json["code"]) == (429, "too_many_attempts")
    assert blocked.headers["Retry-After"] == str(blocked.json["retry_after"]) == "30"
    assert attempt_login(ADA, PASSWORD).status_code == 429
    assert len(hasher_calls.verified) == 5
    wait(seconds=28)
    assert attempt_login(ADA, PASSWORD).status_code == 429
    wait(seconds=2)
    assert attempt_login(ADA, PASSWORD).status_code == 200


@pytest.mark.requirement("RL-01")
@pytest.mark.parametrize("identifier", [ADA, UNKNOWN[0]])
def test_wait_doubles_with_each_failure_up_to_an_hour(ada, attempt_login, wait, identifier):
    attempt_times(attempt_login, 4, identifier)

    waits = []
    for _ in WAITS:
        assert attempt_login(identifier).status_code == 401
        blocked = attempt_login(identifier)
        assert blocked.status_code == 429
        waits.append(blocked.json["retry_after"])
        wait(seconds=waits[-1])

    assert waits == WAITS


@pytest.mark.requirement("RL-01")
@pytest.mark.parametrize("unknown", UNKNOWN)
def test_blocked_responses_are_equal_for_right_wrong_and_unknown(ada, attempt_login, unknown):
    attempt_times(attempt_login, 5)
    attempt_times(attempt_login, 5, unknown)

    right, wrong, other = attempt_login(ADA, PASSWORD), attempt_login(), attempt_login(unknown)

    assert comparable(right) == comparable(wrong) == comparable(other)
    assert right.status_code == 429


@pytest.mark.stores
@pytest.mark.requirement("RL-01")
def test_success_resets_its_own_network_and_no_other(ada, attempt_login):
    attempt_times(attempt_login, 4, ip_address=HERE)
    attempt_times(attempt_login, 4, ip_address=ELSEWHERE)

    assert attempt_login(ADA, PASSWORD, ip_address=HERE).status_code == 200

    assert attempt_times(attempt_login, 6, ip_address=HERE) == [401] * 5 + [429]
    assert attempt_times(attempt_login, 2, ip_address=ELSEWHERE) == [401, 429]


@pytest.mark.requirement("RL-01")
def test_success_for_one_account_resets_nothing_for_another(ada, attempt_login, make_user):
    eve = make_user()

    statuses = []
    for _ in range(8):
        assert attempt_login(eve.email, eve.password).status_code == 200
        statuses.append(attempt_login().status_code)

    assert statuses == [401] * 5 + [429] * 3


@pytest.mark.requirement("RL-05")
@pytest.mark.parametrize(
    ("ip_addresses", "other"),
    [
        ([f"2001:db8::{number:x}:{number:x}" for number in range(1, 8)], "2001:db8:0:1::1"),
        ([f"192.0.2.{number}" for number in range(1, 8)], "192.0.3.1"),
        ([f"::ffff:192.0.2.{number}" for number in range(1, 8)], "::ffff:192.0.3.1"),
    ],
    ids=["IPv6 /64", "IPv4 /24", "IPv4 in IPv6"],
)
def test_network_shares_one_counter(ada, attempt_login, ip_addresses, other):
    statuses = [attempt_login(ip_address=each).status_code for each in ip_addresses]

    assert statuses == [401] * 5 + [429] * 2
    assert attempt_login(ip_address=other).status_code == 401


def test_ipv4_mapped_ipv6_address_is_the_same_network(ada, attempt_login):
    attempt_times(attempt_login, 5, ip_address="192.0.2.1")

    assert attempt_login(ip_address="::ffff:192.0.2.1").status_code == 429


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="off")
def test_lockout_applies_with_rate_limits_off(ada, attempt_login):
    assert attempt_times(attempt_login, 7) == [401] * 5 + [429] * 2


# Many networks


@pytest.mark.stores
@pytest.mark.requirement("RL-01")
@pytest.mark.parametrize("identifier", [ADA, UNKNOWN[0]])
def test_account_is_locked_for_unknown_devices_after_a_hundred_failures(
    app, ada, attempt_login, wait, identifier
):
    attempt_login(identifier)
    set_failures(app, 92)

    assert attempt_from_networks(attempt_login, 4, identifier) == [401] * 8 + [429] * 8

    wait(days=400)
    blocked = attempt_login(identifier, PASSWORD)
    assert (blocked.status_code, blocked.json["code"]) == (429, "too_many_attempts")
    assert "retry_after" not in blocked.json
    assert "Retry-After" not in blocked.headers
    assert "reset your password by e-mail" in blocked.json["next"]


@pytest.mark.stores
@pytest.mark.requirement("RL-02")
def test_known_device_logs_in_and_unlocks_a_locked_account(app, ada, attempt_login, device):
    attempt_login()
    set_failures(app, 92)
    statuses = attempt_from_networks(attempt_login, 4)

    unknown = attempt_login(ADA, PASSWORD, ip_address=ELSEWHERE)
    known = attempt_login(ADA, PASSWORD, ip_address="10.0.1.1", device=device)
    unlocked = attempt_login(ADA, PASSWORD, ip_address=ELSEWHERE)

    assert statuses == [401] * 8 + [429] * 8
    assert [response.status_code for response in (unknown, known, unlocked)] == [429, 200, 200]
    assert (
        attempt_times(attempt_login, 4, ip_address=ELSEWHERE) == [401] * 4
    )  # from zero, not from 99


@pytest.mark.requirement("RL-02")
def test_failures_of_a_network_block_neither_other_networks_nor_known_devices(
    ada, attempt_login, device
):
    assert attempt_times(attempt_login, 6) == [401] * 5 + [429]

    assert attempt_login(ADA, PASSWORD, ip_address=ELSEWHERE).status_code == 200
    assert attempt_login(ADA, PASSWORD, device=device).status_code == 200


def test_success_on_an_unknown_device_does_not_reset_the_total(app, ada, attempt_login):
    attempt_times(attempt_login, 1)
    set_failures(app, 99)

    assert attempt_login(ADA, PASSWORD, ip_address=ELSEWHERE).status_code == 200

    assert attempt_times(attempt_login, 2, ip_address="203.0.113.1") == [401, 429]


# Known devices


@pytest.mark.stores
def test_known_device_is_blocked_by_its_own_failures_only_on_any_network(
    ada, attempt_login, device
):
    statuses = [
        attempt_login(ip_address=each, device=device).status_code
        for each in (HERE, ELSEWHERE, HERE, ELSEWHERE, HERE, ELSEWHERE)
    ]

    assert statuses == [401] * 5 + [429]
    assert attempt_login(ADA, PASSWORD).status_code == 200


def test_known_device_adds_nothing_to_the_total(app, ada, attempt_login, device):
    attempt_login(ip_address=ELSEWHERE)
    set_failures(app, 98)

    attempt_times(attempt_login, 3, device=device)

    assert attempt_times(attempt_login, 3, ip_address="203.0.113.1") == [401, 401, 429]


def test_known_device_of_one_user_is_unknown_for_another(ada, attempt_login, device, make_user):
    other = make_user()

    attempt_times(attempt_login, 5, other.email, device=device)

    assert attempt_login(other.email, other.password).status_code == 429
    assert attempt_login(ADA, PASSWORD, device=device).status_code == 200


@pytest.mark.stores
def test_known_device_becomes_unknown_after_a_hundred_failures(app, ada, attempt_login, device):
    attempt_login(device=device)
    set_failures(app, 98)

    assert attempt_login(device=device).status_code == 401
    assert len(rows(app, Device)) == 1
    set_failures(app, 99)
    assert attempt_login(device=device).status_code == 401

    assert rows(app, Device) == []
    total = {counter.failures for counter in rows(app, FailedAttemptCounter)}
    assert total == {0}
    assert [event.user_id for event in audited(app, "login.device_forgotten")] == [user_id(app)]
    assert attempt_times(attempt_login, 6, device=device) == [401] * 5 + [429]
    assert attempt_login(device="").status_code == 429


def user_id(app):
    return rows(app, User, email=ADA)[0].id


# Cleanup


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_purge_skips_counters_that_another_transaction_has_locked(app):
    with app.app_context():
        lockout.reset_counters(
            lockout.count_attempt("unknown", None, RequestContext("192.0.2.1", "", ""))
        )
        with db.engine.begin() as attempting:
            attempting.execute(text("SELECT FROM failed_attempts FOR UPDATE"))
            with write_transaction():
                lockout.purge_stale_counters()
            db.session.commit()

    assert [counter.failures for counter in rows(app, FailedAttemptCounter)] == [0]
