"""Credential-stuffing detection: many accounts from one network, or one password on many."""

import re
from datetime import UTC, datetime
from functools import partial

import pytest

from gatehouse.database.session import db, write_transaction
from gatehouse.lockout import credential_stuffing
from gatehouse.web.request_context import RequestContext
from models import CredentialStuffingCounter
from tests.client import PASSWORD
from tests.log_lines import read_log_lines
from tests.login_attempts import ADA, ELSEWHERE, HERE
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.statements import statements_of

MANY = 45  # accounts: enough to reach every threshold, although some share a bit


@pytest.fixture
def window_start(time_machine):
    """Move the clock to the start of a window, so that none ends during the test."""
    now = datetime.now(UTC).timestamp()
    time_machine.move_to((now // credential_stuffing.WINDOW + 1) * credential_stuffing.WINDOW)


def is_active(app, ip_address):
    with app.app_context():
        return credential_stuffing.is_active(RequestContext(ip_address, "", "").ip_prefix)


def stuff_credentials(attempt_login, accounts=MANY, ip_address=HERE):
    """Try a leaked list: each account with its own leaked password."""
    for number in range(accounts):
        attempt_login(f"person{number}@example.com", f"leaked password {number}", ip_address)


def spray_password(attempt_login, accounts=MANY, networks=MANY):
    """Try one password on many accounts, from many networks in turn."""
    for number in range(accounts):
        ip_address = f"10.{number % networks}.0.1"
        attempt_login(f"person{number}@example.com", "Winter 2026 is coming", ip_address)


@pytest.mark.stores
@pytest.mark.usefixtures("window_start")
def test_alarm_is_activated_for_a_network_that_tries_many_accounts_and_reported_once(
    app, attempt_login, capsys
):
    stuff_credentials(attempt_login)

    assert is_active(app, HERE)
    assert is_active(app, "192.0.2.200")
    assert not is_active(app, ELSEWHERE)
    [event] = audited(app, "risk.credential_stuffing_detected")
    assert event.details == {
        "network": "192.0.2.0/24",
        "accounts": credential_stuffing.ACCOUNTS_PER_PREFIX_THRESHOLD,
    }
    assert (event.outcome, event.user_id) == ("failure", None)
    assert [
        line["network"] for line in read_log_lines(capsys) if "Credential stuffing" in line["event"]
    ] == ["192.0.2.0/24"]


@pytest.mark.stores
@pytest.mark.usefixtures("window_start")
def test_alarm_is_activated_for_all_when_one_password_is_tried_on_many_accounts(app, attempt_login):
    spray_password(attempt_login)

    assert is_active(app, HERE)
    assert is_active(app, "2001:db8::1")
    [event] = audited(app, "risk.credential_stuffing_detected")
    assert event.details == {
        "network": "everywhere",
        "accounts": credential_stuffing.ACCOUNTS_PER_PASSWORD_THRESHOLD,
    }


@pytest.mark.stores
@pytest.mark.usefixtures("window_start")
def test_alarm_is_activated_only_for_the_network_if_it_alone_tries_the_password(app, attempt_login):
    spray_password(attempt_login, networks=1)

    assert is_active(app, "10.0.0.1")
    assert not is_active(app, HERE)
    assert [
        event.details["network"] for event in audited(app, "risk.credential_stuffing_detected")
    ] == ["10.0.0.0/24"]


@pytest.mark.usefixtures("window_start")
def test_alarm_is_activated_only_for_the_networks_if_few_try_the_password(app, attempt_login):
    spray_password(attempt_login, networks=credential_stuffing.PREFIXES_PER_PASSWORD_THRESHOLD - 1)

    assert is_active(app, "10.0.0.1")
    assert not is_active(app, HERE)


@pytest.mark.usefixtures("window_start")
def test_networks_of_one_ipv6_prefix_count_as_one(app, attempt_login):
    for number in range(MANY):
        attempt_login(
            f"person{number}@example.com", "Winter 2026 is coming", f"2001:db8:0:{number:x}::1"
        )

    assert is_active(app, "2001:db8::1")
    assert not is_active(app, HERE)


@pytest.mark.usefixtures("window_start")
def test_many_passwords_on_one_account_activate_no_alarm(app, attempt_login):
    for number in range(40):
        attempt_login(ADA, f"password number {number}", f"10.{number}.0.1")

    assert audited(app, "risk.credential_stuffing_detected") == []


@pytest.mark.usefixtures("window_start")
def test_few_failing_accounts_of_a_network_activate_no_alarm(app, attempt_login):
    stuff_credentials(attempt_login, credential_stuffing.ACCOUNTS_PER_PREFIX_THRESHOLD - 1)
    stuff_credentials(attempt_login, 4)

    assert not is_active(app, HERE)


def test_counters_start_at_zero_in_each_window(app, attempt_login, window_start, wait):
    stuff_credentials(attempt_login, 20)
    wait(seconds=credential_stuffing.WINDOW)
    for number in range(20, 40):
        attempt_login(f"person{number}@example.com", f"leaked password {number}")

    assert not is_active(app, HERE)


@pytest.mark.stores
def test_alarm_ends_after_an_hour_and_is_reported_again_if_the_attack_continues(
    app, attempt_login, window_start, wait
):
    stuff_credentials(attempt_login)
    wait(minutes=61)
    assert not is_active(app, HERE)

    stuff_credentials(attempt_login)

    assert is_active(app, HERE)
    assert len(audited(app, "risk.credential_stuffing_detected")) == 2


def test_right_passwords_are_not_counted(app, attempt_login, make_user, window_start):
    for number in range(30):
        make_user(email=f"person{number}@example.com")
        assert attempt_login(f"person{number}@example.com", PASSWORD).status_code == 200

    assert rows(app, CredentialStuffingCounter) == []


@pytest.mark.usefixtures("window_start")
def test_alarm_is_a_finding_in_the_risk_assessment_of_logins_of_its_network(
    app, attempt_login, make_user
):
    make_user(email=ADA)
    stuff_credentials(attempt_login)

    attempt_login(ADA, PASSWORD)
    attempt_login(ADA, PASSWORD, ELSEWHERE)

    near, far = (event.details["findings"] for event in audited(app, "risk.assessed"))
    assert "credential_stuffing" in near
    assert "credential_stuffing" not in far


@pytest.mark.stores
@pytest.mark.usefixtures("window_start")
@pytest.mark.parametrize(
    ("networks", "passwords", "scope"), [(1, MANY, "10.0.0.0/24"), (12, 1, "everywhere")]
)
def test_counters_miss_no_parallel_attempt(app, networks, passwords, scope):
    def record_attempt(number):
        context = RequestContext(f"10.{number % networks}.0.1", "", "")
        with app.app_context():
            attempt = credential_stuffing.fingerprint(
                f"person{number}", f"leaked {number % passwords}", context
            )
            with write_transaction():
                credential_stuffing.record_failed_attempt(attempt, context)
            db.session.commit()

    for first in range(0, MANY, 12):
        run_in_parallel(*[partial(record_attempt, number) for number in range(first, first + 12)])

    assert [
        event.details["network"] for event in audited(app, "risk.credential_stuffing_detected")
    ] == [scope]


@pytest.mark.stores
def test_known_and_unknown_accounts_are_counted_by_the_same_single_statement(
    app, attempt_login, make_user, window_start
):
    make_user(email=ADA)

    known, unknown = (
        [
            text
            for text in statements_of(app, partial(attempt_login, identifier))
            if "credential_stuffing_counters" in text
        ]
        for identifier in (ADA, "unknown@example.com")
    )

    assert known == unknown
    assert len(known) == 1


@pytest.mark.usefixtures("window_start")
def test_password_bucket_is_shared_by_many_passwords(app):
    context = RequestContext(HERE, "", "")
    with app.app_context():
        buckets = {
            credential_stuffing.fingerprint("ada", str(n), context).password_key
            for n in range(42_000)
        }

    assert (
        credential_stuffing.PASSWORD_BUCKETS * 0.9
        < len(buckets)
        <= credential_stuffing.PASSWORD_BUCKETS
    )


def test_counters_contain_no_password_or_account_and_their_salt_changes(
    app, attempt_login, window_start, wait
):
    attempt_login(ADA, "a leaked password")
    wait(seconds=credential_stuffing.WINDOW)
    attempt_login(ADA, "a leaked password")

    counters = rows(app, CredentialStuffingCounter)
    assert len({counter.key for counter in counters}) == 6
    assert all(re.fullmatch("[0-9a-f]{64}", counter.key) for counter in counters)
    assert all(counter.bitmap.bit_count() == 1 for counter in counters)


@pytest.mark.stores
def test_ended_windows_and_alarms_are_purged(app, attempt_login, window_start, wait):
    stuff_credentials(attempt_login)
    wait(minutes=16)
    purge(app)
    [alarm] = rows(app, CredentialStuffingCounter)
    assert alarm.bitmap == 0

    wait(minutes=50)
    purge(app)

    assert rows(app, CredentialStuffingCounter) == []


def purge(app):
    with app.app_context():
        with write_transaction():
            credential_stuffing.purge_expired_counters()
        db.session.commit()
