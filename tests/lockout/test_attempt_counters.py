"""Attempts are counted exactly, before evaluation, and alike for known and unknown accounts."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import requests
import sqlalchemy as sa

from gatehouse.core import metrics
from gatehouse.core.errors import ServiceUnavailable
from gatehouse.database.session import db, write_transaction
from gatehouse.lockout import service as lockout
from gatehouse.lockout.counters import NOT_WAITING
from gatehouse.lockout.errors import TooManyAttempts
from gatehouse.web.request_context import RequestContext
from models import AuditEvent, FailedAttemptCounter, User
from tests.client import PASSWORD
from tests.log_lines import read_log_lines
from tests.login_attempts import (
    ADA,
    ELSEWHERE,
    WRONG,
    attempt_from_networks,
    attempt_times,
    set_failures,
)
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.statements import statements_of

UNKNOWN = "unknown@example.com"
FORM = {"identifier": ADA, "password": WRONG}


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


# Concurrency and crashes


@pytest.mark.stores
@pytest.mark.requirement("RL-01")
def test_lockout_evaluates_five_of_two_hundred_parallel_attempts(live, store):
    responses = live.client.in_parallel(200, "/auth/login", FORM)

    assert sorted(response.status_code for response in responses) == [401] * 5 + [429] * 195
    names = read_column(store, AuditEvent.name)
    assert (names.count("login.failed"), names.count("login.throttled")) == (5, 1)


@pytest.mark.stores
@pytest.mark.requirement("RL-01")
def test_total_lets_a_hundred_parallel_attempts_from_many_networks_pass(app):
    assert count_passing(app, [f"10.0.{network}.1" for network in range(120)]) == 100


@pytest.mark.stores
@pytest.mark.requirement("RL-01", "RL-05")
def test_ipv6_prefix_lets_twenty_parallel_attempts_of_its_networks_pass(app):
    assert count_passing(app, [f"2001:db8:0:{network:x}::1" for network in range(60)]) == 20


def count_passing(app, ip_addresses):
    """Count an attempt from each IP address, twelve in parallel; return how many may go on."""

    def may_go_on(ip_address):
        with app.app_context():
            try:
                lockout.count_attempt("unknown", None, RequestContext(ip_address, "", ""))
            except TooManyAttempts:
                return False
        return True

    tasks = [partial(may_go_on, ip_address) for ip_address in ip_addresses]
    batches = [tasks[first : first + 12] for first in range(0, len(tasks), 12)]
    return sum(sum(run_in_parallel(*batch)) for batch in batches)


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_BCRYPT_COST="14")
def test_attempt_is_counted_if_the_server_dies_during_it(live, store):
    with ThreadPoolExecutor() as threads:
        attempt = threads.submit(live.post, "/auth/login", FORM)
        while not read_column(store, FailedAttemptCounter.failures):
            time.sleep(0.01)
        live.kill()

    assert isinstance(attempt.exception(), requests.RequestException)
    assert read_column(store, FailedAttemptCounter.failures) == [1, 1]
    live.environment["GATEHOUSE_BCRYPT_COST"] = "4"
    live.start()
    again = [live.post("/auth/login", FORM).status_code for _ in range(5)]
    assert again == [401] * 4 + [429]


def read_column(store, column):
    engine = sa.create_engine(store, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(column)))


# Attempts that are never evaluated


@pytest.mark.stores
def test_unevaluated_password_costs_no_attempt_and_no_wait(ada, attempt_login, hasher_calls, wait):
    assert attempt_while_busy(attempt_login, hasher_calls, 6) == [503] * 6

    assert attempt_times(attempt_login, 5) == [401] * 5
    assert attempt_login().status_code == 429
    wait(seconds=30)
    assert attempt_while_busy(attempt_login, hasher_calls, 2) == [503] * 2
    assert attempt_times(attempt_login, 2) == [401, 429]


def test_unevaluated_password_on_a_known_device_gives_unknown_devices_no_attempt(
    app, client, ada, attempt_login, hasher_calls
):
    device = client.log_in(ada)["device_token"]
    attempt_login(ip_address=ELSEWHERE)
    set_failures(app, 99)

    assert attempt_while_busy(attempt_login, hasher_calls, 3, device=device) == [503] * 3

    assert attempt_times(attempt_login, 2, ip_address="203.0.113.1") == [401, 429]
    assert attempt_times(attempt_login, 6, device=device) == [401] * 5 + [429]


@pytest.mark.stores
def test_counters_never_go_below_zero(app):
    here = RequestContext("192.0.2.1", "", "")
    with app.app_context():
        slow, right, busy = (lockout.count_attempt("unknown", None, here) for _ in range(3))
        lockout.reset_counters(right)
        lockout.withdraw_attempt(lockout.count_attempt("unknown", None, here))
        lockout.withdraw_attempt(busy)
        lockout.withdraw_attempt(slow)

    assert [counter.failures for counter in rows(app, FailedAttemptCounter)] == [0, 0]


def attempt_while_busy(attempt_login, hasher_calls, times, **where):
    """Try to log in while no password can be evaluated; return the statuses."""
    statuses = []
    for _ in range(times):
        hasher_calls.during_verify = fail
        statuses.append(attempt_login(**where).status_code)
    return statuses


def fail():
    raise ServiceUnavailable


def test_right_password_of_a_disabled_account_is_no_failure(app, ada, attempt_login):
    with app.app_context():
        db.session.execute(sa.update(User).values(disabled_at=sa.func.now()))
        db.session.commit()

    assert attempt_times(attempt_login, 7, ADA, PASSWORD) == [403] * 7


def test_unknown_account_stays_closed_even_if_the_dummy_hash_matches(
    attempt_login, hasher_calls, monkeypatch
):
    monkeypatch.setattr("gatehouse.passwords.service.verify_password", lambda *_: None)

    assert attempt_times(attempt_login, 6, UNKNOWN) == [401] * 5 + [429]


# Known and unknown alike


def test_counters_look_alike_for_known_and_unknown_accounts_and_name_neither(
    app, ada, attempt_login
):
    attempt_login(ADA)
    attempt_login(UNKNOWN)

    counters = [counter for counter in rows(app, FailedAttemptCounter) if counter.failures]

    assert len(counters) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", counter.key) for counter in counters)
    assert {(c.failures, c.blocked_until) for c in counters} == {(1, NOT_WAITING)}


def test_identifier_that_spells_a_users_id_is_not_the_user(app, ada, attempt_login):
    attempt_times(attempt_login, 5, str(rows(app, User)[0].id))

    assert attempt_login(ADA, PASSWORD).status_code == 200


def test_invalid_identifier_has_one_counter_over_case_and_composition(attempt_login):
    spellings = ["\u00c9 mil", "\u00e9 mil", "E\u0301 mil", "e\u0301 mil", "\u00e9 MIL"]

    assert [attempt_login(spelling).status_code for spelling in spellings] == [401] * 5
    assert attempt_login("\u00e9 mil").status_code == 429


@pytest.mark.requirement("RL-07")
@pytest.mark.stores
@pytest.mark.parametrize("before", [0, 4, 5], ids=["free", "begins a wait", "blocked"])
def test_attempt_runs_the_same_statements_for_known_and_unknown_accounts(
    app, ada, attempt_login, before
):
    for identifier in (ADA, UNKNOWN):
        attempt_times(attempt_login, before, identifier)

    known, unknown = (
        statements_of(app, partial(attempt_login, identifier)) for identifier in (ADA, UNKNOWN)
    )

    decoys = [statement for statement in unknown if statement.startswith("DELETE FROM outbox")]
    assert sorted([*known, *decoys]) == sorted(unknown)  # their order may differ
    assert len(decoys) <= 1
    assert len(known) >= 3


# Audit events, metrics and log


@pytest.mark.stores
def test_wait_is_recorded_when_it_begins_and_blocked_attempts_are_counted_and_logged(
    app, ada, attempt_login, wait, capsys
):
    before = metrics.PASSWORD_ATTEMPTS_THROTTLED._value.get()

    attempt_times(attempt_login, 8)
    wait(seconds=30)
    attempt_times(attempt_login, 3)

    user = rows(app, User)[0].id
    begun = [(e.user_id, e.details) for e in audited(app, "login.throttled")]
    assert begun == [
        (user, {"failures": 5, "seconds": 30}),
        (user, {"failures": 6, "seconds": 60}),
    ]
    assert len(audited(app, "login.failed")) == 6
    assert metrics.PASSWORD_ATTEMPTS_THROTTLED._value.get() - before == 5
    logged = [line for line in read_log_lines(capsys) if "not evaluated" in line["event"]]
    assert [line["user"] for line in logged] == [str(user)] * 5


def test_account_lock_is_recorded_once(app, ada, attempt_login):
    attempt_login()
    set_failures(app, 95)

    attempt_from_networks(attempt_login, 4)

    [event] = audited(app, "account.locked")
    assert event.user_id == rows(app, User)[0].id


# Cleanup


@pytest.mark.stores
def test_stale_counters_are_purged_after_ninety_days_unless_they_block(
    app, ada, attempt_login, wait
):
    attempt_login(ADA)
    set_failures(app, 99)
    attempt_times(attempt_login, 2, ADA, ip_address=ELSEWHERE)  # the first locks the account
    attempt_times(attempt_login, 1, UNKNOWN)
    wait(days=89)
    purge(app)
    assert len(rows(app, FailedAttemptCounter)) == 5

    attempt_times(attempt_login, 1, "fresh@example.com")
    wait(days=2)
    purge(app)

    left = rows(app, FailedAttemptCounter)
    assert sorted(counter.failures for counter in left) == [1, 1, 100]
    assert attempt_login(ADA).status_code == 429


def purge(app):
    with app.app_context():
        with write_transaction():
            lockout.purge_stale_counters()
        db.session.commit()
