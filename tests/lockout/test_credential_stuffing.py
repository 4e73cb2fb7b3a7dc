"""Credential stuffing: many accounts from one network, or one password on many accounts."""

import re
from datetime import UTC, datetime
from functools import partial

import pytest

from gatehouse.database.session import db, writing
from gatehouse.lockout import credential_stuffing
from gatehouse.web.request_context import Visitor
from models import GuardTally
from tests.client import PASSWORD
from tests.logged import lines
from tests.password_guessing import ADA, ELSEWHERE, HERE
from tests.rows import audited, rows
from tests.statements import sent_by
from tests.together import at_once

PLENTY = 45  # accounts: more than the bits of a count need, wherever they fall


@pytest.fixture
def early(time_machine):
    """Begin a window, so that none ends during the test."""
    now = datetime.now(UTC).timestamp()
    time_machine.move_to((now // credential_stuffing.WINDOW + 1) * credential_stuffing.WINDOW)


def is_raised(app, address):
    with app.app_context():
        return credential_stuffing.is_raised(Visitor(address, "", "").site)


def stuff(guess, many=PLENTY, address=HERE):
    """Try a leaked list: each account with the password that it had elsewhere."""
    for number in range(many):
        guess(f"person{number}@example.com", f"leaked password {number}", address)


def spray(guess, many=PLENTY, networks=PLENTY):
    """Try one password on many accounts, from many networks in turn."""
    for number in range(many):
        address = f"10.{number % networks}.0.1"
        guess(f"person{number}@example.com", "Winter 2026 is coming", address)


@pytest.mark.stores
@pytest.mark.usefixtures("early")
def test_many_accounts_from_one_network_raise_the_guard_for_it_and_operators_hear_once(
    app, guess, capsys
):
    stuff(guess)

    assert is_raised(app, HERE)
    assert is_raised(app, "192.0.2.200")
    assert not is_raised(app, ELSEWHERE)
    [event] = audited(app, "risk.guard_raised")
    assert event.details == {
        "network": "192.0.2.0/24",
        "accounts": credential_stuffing.MANY_OF_SITE,
    }
    assert (event.outcome, event.user_id) == ("failure", None)
    assert [line["network"] for line in lines(capsys) if "guard is raised" in line["event"]] == [
        "192.0.2.0/24"
    ]


@pytest.mark.stores
@pytest.mark.usefixtures("early")
def test_one_password_on_many_accounts_raises_the_guard_for_all(app, guess):
    spray(guess)

    assert is_raised(app, HERE)
    assert is_raised(app, "2001:db8::1")
    [event] = audited(app, "risk.guard_raised")
    assert event.details == {
        "network": "everywhere",
        "accounts": credential_stuffing.MANY_OF_PASSWORD,
    }


@pytest.mark.stores
@pytest.mark.usefixtures("early")
def test_one_sender_with_one_password_raises_the_guard_for_nobody_but_itself(app, guess):
    spray(guess, networks=1)

    assert is_raised(app, "10.0.0.1")
    assert not is_raised(app, HERE)
    assert [event.details["network"] for event in audited(app, "risk.guard_raised")] == [
        "10.0.0.0/24"
    ]


@pytest.mark.usefixtures("early")
def test_a_sender_of_few_networks_raises_the_guard_for_these_alone(app, guess):
    spray(guess, networks=credential_stuffing.MANY_SITES - 1)

    assert is_raised(app, "10.0.0.1")
    assert not is_raised(app, HERE)


@pytest.mark.usefixtures("early")
def test_the_addresses_of_one_ipv6_network_are_one_sender(app, guess):
    for number in range(PLENTY):
        guess(f"person{number}@example.com", "Winter 2026 is coming", f"2001:db8:0:{number:x}::1")

    assert is_raised(app, "2001:db8::1")
    assert not is_raised(app, HERE)


@pytest.mark.usefixtures("early")
def test_many_passwords_on_one_account_are_the_lockouts_business(app, guess):
    for number in range(40):
        guess(ADA, f"password number {number}", f"10.{number}.0.1")

    assert audited(app, "risk.guard_raised") == []


@pytest.mark.usefixtures("early")
def test_a_few_people_who_mistype_behind_one_address_are_no_robots(app, guess):
    stuff(guess, credential_stuffing.MANY_OF_SITE - 1)
    stuff(guess, 4)

    assert not is_raised(app, HERE)


def test_counts_begin_anew_with_each_window(app, guess, early, wait):
    stuff(guess, 20)
    wait(seconds=credential_stuffing.WINDOW)
    for number in range(20, 40):
        guess(f"person{number}@example.com", f"leaked password {number}")

    assert not is_raised(app, HERE)


@pytest.mark.stores
def test_the_guard_is_lowered_after_an_hour_and_operators_hear_when_it_goes_on(
    app, guess, early, wait
):
    stuff(guess)
    wait(minutes=61)
    assert not is_raised(app, HERE)

    stuff(guess)

    assert is_raised(app, HERE)
    assert len(audited(app, "risk.guard_raised")) == 2


def test_right_passwords_are_not_counted(app, guess, make_user, early):
    for number in range(30):
        make_user(email=f"person{number}@example.com")
        assert guess(f"person{number}@example.com", PASSWORD).status_code == 200

    assert rows(app, GuardTally) == []


@pytest.mark.usefixtures("early")
def test_a_login_while_the_guard_is_raised_stands_out(app, guess, make_user):
    make_user(email=ADA)
    stuff(guess)

    guess(ADA, PASSWORD)
    guess(ADA, PASSWORD, ELSEWHERE)

    near, far = (event.details["findings"] for event in audited(app, "risk.judged"))
    assert "guard_raised" in near
    assert "guard_raised" not in far


@pytest.mark.stores
@pytest.mark.usefixtures("early")
@pytest.mark.parametrize(
    ("networks", "passwords", "raised"), [(1, PLENTY, "10.0.0.0/24"), (12, 1, "everywhere")]
)
def test_counts_of_many_at_once_miss_nobody(app, networks, passwords, raised):
    def note(number):
        visitor = Visitor(f"10.{number % networks}.0.1", "", "")
        with app.app_context():
            missed = credential_stuffing.miss(
                f"person{number}", f"leaked {number % passwords}", visitor
            )
            with writing():
                credential_stuffing.note(missed, visitor)
            db.session.commit()

    for first in range(0, PLENTY, 12):
        at_once(*[partial(note, number) for number in range(first, first + 12)])

    assert [event.details["network"] for event in audited(app, "risk.guard_raised")] == [raised]


@pytest.mark.stores
def test_known_and_unknown_accounts_are_counted_with_the_same_one_statement(
    app, guess, make_user, early
):
    make_user(email=ADA)

    known, unknown = (
        [text for text in sent_by(app, partial(guess, who)) if "guard_tallies" in text]
        for who in (ADA, "nobody@example.com")
    )

    assert known == unknown
    assert len(known) == 1


@pytest.mark.usefixtures("early")
def test_what_is_kept_of_a_password_is_the_same_for_thousands(app):
    visitor = Visitor(HERE, "", "")
    with app.app_context():
        drawers = {
            credential_stuffing.miss("ada", str(n), visitor).password_key for n in range(42_000)
        }

    assert credential_stuffing.DRAWERS * 0.9 < len(drawers) <= credential_stuffing.DRAWERS


def test_nothing_of_a_password_or_an_account_is_kept_and_the_salt_changes(app, guess, early, wait):
    guess(ADA, "a leaked password")
    wait(seconds=credential_stuffing.WINDOW)
    guess(ADA, "a leaked password")

    kept = rows(app, GuardTally)
    assert len({tally.key for tally in kept}) == 6
    assert all(re.fullmatch("[0-9a-f]{64}", tally.key) for tally in kept)
    assert all(tally.seen.bit_count() == 1 for tally in kept)


@pytest.mark.stores
def test_what_is_over_is_deleted(app, guess, early, wait):
    stuff(guess)
    wait(minutes=16)
    purge(app)
    [raised] = rows(app, GuardTally)
    assert raised.seen == 0

    wait(minutes=50)
    purge(app)

    assert rows(app, GuardTally) == []


def purge(app):
    with app.app_context():
        with writing():
            credential_stuffing.purge()
        db.session.commit()
