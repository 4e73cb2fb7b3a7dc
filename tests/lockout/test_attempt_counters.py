"""How guesses are counted: exactly, before they are evaluated, and alike for known and unknown."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import requests
import sqlalchemy as sa

from gatehouse.core import metrics
from gatehouse.core.errors import ServiceUnavailable
from gatehouse.database.session import db, writing
from gatehouse.lockout import service as lockout
from gatehouse.web.request_context import Visitor
from models import AuditEvent, GuessCounter, User
from tests.client import PASSWORD
from tests.logged import lines
from tests.password_guessing import (
    ADA,
    ELSEWHERE,
    WRONG,
    from_many_networks,
    set_counters,
    statuses,
)
from tests.rows import audited, rows
from tests.statements import sent_by
from tests.together import at_once

NOBODY = "nobody@example.com"
FORM = {"identifier": ADA, "password": WRONG}


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


# At once, and before


@pytest.mark.stores
@pytest.mark.requirement("RL-01")
def test_of_two_hundred_guesses_at_once_five_are_evaluated(live, store):
    answers = live.client.in_parallel(200, "/auth/login", FORM)

    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 195
    names = column(store, AuditEvent.name)
    assert (names.count("login.failed"), names.count("login.throttled")) == (5, 1)


@pytest.mark.stores
@pytest.mark.requirement("RL-01")
def test_of_guesses_from_many_networks_at_once_the_sum_lets_a_hundred_pass(app):
    def passes(network):
        with app.app_context():
            try:
                lockout.count("somebody", None, Visitor(f"10.0.{network}.1", "", ""))
            except lockout.TooManyAttempts:
                return False
        return True

    rounds = [range(first, first + 12) for first in range(0, 120, 12)]
    passed = [at_once(*[partial(passes, network) for network in some]) for some in rounds]

    assert sum(sum(some) for some in passed) == 100


@pytest.mark.stores
@pytest.mark.requirement("RL-01", "RL-05")
def test_of_guesses_from_all_networks_of_an_ipv6_site_at_once_twenty_pass(app):
    def passes(network):
        with app.app_context():
            try:
                lockout.count("somebody", None, Visitor(f"2001:db8:0:{network:x}::1", "", ""))
            except lockout.TooManyAttempts:
                return False
        return True

    rounds = [range(first, first + 12) for first in range(0, 60, 12)]
    passed = [at_once(*[partial(passes, network) for network in some]) for some in rounds]

    assert sum(sum(some) for some in passed) == 20


@pytest.mark.stores
@pytest.mark.settings(GATEHOUSE_BCRYPT_COST="14")
def test_a_guess_during_which_the_server_dies_is_counted(live, store):
    with ThreadPoolExecutor() as threads:
        guess = threads.submit(live.post, "/auth/login", FORM)
        while not column(store, GuessCounter.failures):
            time.sleep(0.01)
        live.kill()

    assert isinstance(guess.exception(), requests.RequestException)
    assert column(store, GuessCounter.failures) == [1, 1]
    live.environment["GATEHOUSE_BCRYPT_COST"] = "4"
    live.start()
    again = [live.post("/auth/login", FORM).status_code for _ in range(5)]
    assert again == [401] * 4 + [429]


def column(store, column):
    engine = sa.create_engine(store, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(column)))


# Never evaluated


@pytest.mark.stores
def test_a_password_that_was_never_evaluated_costs_no_guess_and_no_wait(ada, guess, notes, wait):
    assert busy(guess, notes, 6) == [503] * 6

    assert statuses(guess, 5) == [401] * 5
    assert guess().status_code == 429
    wait(seconds=30)
    assert busy(guess, notes, 2) == [503] * 2
    assert statuses(guess, 2) == [401, 429]


def test_what_was_never_evaluated_on_a_known_device_gives_strangers_nothing(
    app, client, ada, guess, notes
):
    device = client.log_in(ada)["device_token"]
    guess(address=ELSEWHERE)
    set_counters(app, 99)

    assert busy(guess, notes, 3, device=device) == [503] * 3

    assert statuses(guess, 2, address="203.0.113.1") == [401, 429]
    assert statuses(guess, 6, device=device) == [401] * 5 + [429]


@pytest.mark.stores
def test_no_counter_goes_below_nothing(app):
    here = Visitor("192.0.2.1", "", "")
    with app.app_context():
        slow, right, busy = (lockout.count("somebody", None, here) for _ in range(3))
        lockout.succeeded(right)
        lockout.withdraw(lockout.count("somebody", None, here))
        lockout.withdraw(busy)
        lockout.withdraw(slow)

    assert [counter.failures for counter in rows(app, GuessCounter)] == [0, 0]


def busy(guess, notes, times, **where):
    """Guess while no password can be evaluated."""
    answers = []
    for _ in range(times):
        notes.meanwhile = refuse
        answers.append(guess(**where).status_code)
    return answers


def refuse():
    raise ServiceUnavailable


def test_a_right_password_that_a_gate_stops_is_no_failure(app, ada, guess):
    with app.app_context():
        db.session.execute(sa.update(User).values(disabled_at=sa.func.now()))
        db.session.commit()

    assert statuses(guess, 7, ADA, PASSWORD) == [403] * 7


def test_a_decoy_opens_nothing_even_if_it_were_right(guess, notes, monkeypatch):
    monkeypatch.setattr("gatehouse.passwords.service.verify", lambda *_: None)

    assert statuses(guess, 6, NOBODY) == [401] * 5 + [429]


# Known and unknown alike


def test_counters_look_the_same_for_known_and_unknown_and_name_nobody(app, ada, guess):
    guess(ADA)
    guess(NOBODY)

    counters = [counter for counter in rows(app, GuessCounter) if counter.failures]

    assert len(counters) == 4
    assert all(re.fullmatch("[0-9a-f]{64}", counter.key) for counter in counters)
    assert {(c.failures, c.waits_until) for c in counters} == {(1, lockout.NEVER)}


def test_text_that_spells_a_users_id_is_not_the_user(app, ada, guess):
    statuses(guess, 5, str(rows(app, User)[0].id))

    assert guess(ADA, PASSWORD).status_code == 200


def test_unparsable_text_has_one_budget_over_case_and_composition(guess):
    spellings = ["\u00c9 mil", "\u00e9 mil", "E\u0301 mil", "e\u0301 mil", "\u00e9 MIL"]

    assert [guess(text).status_code for text in spellings] == [401] * 5
    assert guess("\u00e9 mil").status_code == 429


@pytest.mark.stores
@pytest.mark.parametrize("before", [0, 4, 5], ids=["free", "begins a wait", "waits"])
def test_a_guess_takes_the_same_statements_for_known_and_unknown(app, ada, guess, before):
    for identifier in (ADA, NOBODY):
        statuses(guess, before, identifier)

    known, unknown = (sent_by(app, partial(guess, who)) for who in (ADA, NOBODY))

    wasted = [statement for statement in unknown if statement.startswith("DELETE FROM outbox")]
    assert sorted([*known, *wasted]) == sorted(unknown)  # in whatever order they are written
    assert len(wasted) <= 1
    assert len(known) >= 3


# What is recorded


@pytest.mark.stores
def test_a_wait_is_recorded_when_it_begins_and_refusals_are_counted_and_logged(
    app, ada, guess, wait, capsys
):
    before = metrics.GUESSES_REFUSED._value.get()

    statuses(guess, 8)
    wait(seconds=30)
    statuses(guess, 3)

    user = rows(app, User)[0].id
    begun = [(e.user_id, e.details) for e in audited(app, "login.throttled")]
    assert begun == [
        (user, {"failures": 5, "seconds": 30}),
        (user, {"failures": 6, "seconds": 60}),
    ]
    assert len(audited(app, "login.failed")) == 6
    assert metrics.GUESSES_REFUSED._value.get() - before == 5
    logged = [line for line in lines(capsys) if "not evaluated" in line["event"]]
    assert [line["user"] for line in logged] == [str(user)] * 5


def test_that_strangers_are_shut_out_is_recorded_once(app, ada, guess):
    guess()
    set_counters(app, 95)

    from_many_networks(guess, 4)

    [event] = audited(app, "login.closed")
    assert event.user_id == rows(app, User)[0].id


# Rest


@pytest.mark.stores
def test_counters_that_rested_for_ninety_days_are_forgotten_and_closed_ones_stay(
    app, ada, guess, wait
):
    guess(ADA)
    set_counters(app, 99)
    statuses(guess, 2, ADA, address=ELSEWHERE)  # the first closes the sum
    statuses(guess, 1, NOBODY)
    wait(days=89)
    purge(app)
    assert len(rows(app, GuessCounter)) == 5

    statuses(guess, 1, "fresh@example.com")
    wait(days=2)
    purge(app)

    left = rows(app, GuessCounter)
    assert sorted(counter.failures for counter in left) == [1, 1, 100]
    assert guess(ADA).status_code == 429


def purge(app):
    with app.app_context():
        with writing():
            lockout.purge()
        db.session.commit()
