"""The lockout: guessing gets slower for the guesser, and for nobody else."""

import pytest
from sqlalchemy import text

from gatehouse.database.session import db, writing
from gatehouse.lockout import service as lockout
from gatehouse.web.request_context import Visitor
from models import Device, GuessCounter, User
from tests.client import PASSWORD
from tests.password_guessing import ADA, ELSEWHERE, HERE, from_many_networks, set_counters, statuses
from tests.rows import audited, rows

NOBODIES = ("nobody@example.com", "nobody", "+4915187654321", "no such @ thing", "\u0131")
THE_WAITS = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA, username="ada", phone="+4915112345678")


@pytest.fixture
def device(client, ada):
    """The token of a device on which Ada has signed in."""
    return client.log_in(ada)["device_token"]


def shown(answer):
    """Return all that a stranger can compare: status, bytes and headers, but for id and seconds."""
    wait, names = str(answer.json["retry_after"]), ("X-Request-Id", "Date", "Retry-After")
    headers = {name: value for name, value in answer.headers if name not in names}
    assert answer.headers["Retry-After"] == wait
    text = answer.text.replace(answer.json["request_id"], "ID")
    return answer.status_code, text.replace(f'"retry_after":{wait}', "SECONDS"), headers


# One network


@pytest.mark.stores
@pytest.mark.requirement("RL-01")
def test_after_five_wrong_passwords_none_is_evaluated_until_the_wait_is_over(
    ada, guess, notes, wait
):
    notes.clear()

    judged = statuses(guess, 5)
    refused = guess()

    assert judged == [401] * 5
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_attempts")
    assert refused.headers["Retry-After"] == str(refused.json["retry_after"]) == "30"
    assert guess(ADA, PASSWORD).status_code == 429
    assert len(notes.verified) == 5
    wait(seconds=28)
    assert guess(ADA, PASSWORD).status_code == 429
    wait(seconds=2)
    assert guess(ADA, PASSWORD).status_code == 200


@pytest.mark.requirement("RL-01")
@pytest.mark.parametrize("identifier", [ADA, NOBODIES[0]])
def test_each_further_failure_doubles_the_wait_up_to_an_hour(ada, guess, wait, identifier):
    statuses(guess, 4, identifier)

    waits = []
    for _ in THE_WAITS:
        assert guess(identifier).status_code == 401
        refused = guess(identifier)
        assert refused.status_code == 429
        waits.append(refused.json["retry_after"])
        wait(seconds=waits[-1])

    assert waits == THE_WAITS


@pytest.mark.requirement("RL-01")
@pytest.mark.parametrize("unknown", NOBODIES)
def test_while_an_account_waits_right_wrong_and_unknown_get_equal_answers(ada, guess, unknown):
    statuses(guess, 5)
    statuses(guess, 5, unknown)

    right, wrong, nobody = guess(ADA, PASSWORD), guess(), guess(unknown)

    assert shown(right) == shown(wrong) == shown(nobody)
    assert right.status_code == 429


@pytest.mark.stores
@pytest.mark.requirement("RL-01")
def test_a_success_begins_anew_for_its_own_network_and_for_no_other(ada, guess):
    statuses(guess, 4, address=HERE)
    statuses(guess, 4, address=ELSEWHERE)

    assert guess(ADA, PASSWORD, address=HERE).status_code == 200

    assert statuses(guess, 6, address=HERE) == [401] * 5 + [429]
    assert statuses(guess, 2, address=ELSEWHERE) == [401, 429]


@pytest.mark.requirement("RL-01")
def test_ones_own_logins_between_guesses_at_others_give_no_relief(ada, guess, make_user):
    eve = make_user()

    judged = []
    for _ in range(8):
        assert guess(eve.email, eve.password).status_code == 200
        judged.append(guess().status_code)

    assert judged == [401] * 5 + [429] * 3


@pytest.mark.requirement("RL-05")
@pytest.mark.parametrize(
    ("addresses", "other"),
    [
        ([f"2001:db8::{number:x}:{number:x}" for number in range(1, 8)], "2001:db8:0:1::1"),
        ([f"192.0.2.{number}" for number in range(1, 8)], "192.0.3.1"),
        ([f"::ffff:192.0.2.{number}" for number in range(1, 8)], "::ffff:192.0.3.1"),
    ],
    ids=["IPv6 /64", "IPv4 /24", "IPv4 in IPv6"],
)
def test_a_whole_network_shares_one_counter(ada, guess, addresses, other):
    judged = [guess(address=address).status_code for address in addresses]

    assert judged == [401] * 5 + [429] * 2
    assert guess(address=other).status_code == 401


def test_an_address_of_version_4_in_one_of_version_6_is_the_same_address(ada, guess):
    statuses(guess, 5, address="192.0.2.1")

    assert guess(address="::ffff:192.0.2.1").status_code == 429


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="off")
def test_the_switch_of_the_route_limits_leaves_the_lockout_alone(ada, guess):
    assert statuses(guess, 7) == [401] * 5 + [429] * 2


# Many networks


@pytest.mark.stores
@pytest.mark.requirement("RL-01")
@pytest.mark.parametrize("identifier", [ADA, NOBODIES[0]])
def test_after_a_hundred_failures_in_all_strangers_are_refused_for_good(
    app, ada, guess, wait, identifier
):
    guess(identifier)
    set_counters(app, 92)

    assert from_many_networks(guess, 4, identifier) == [401] * 8 + [429] * 8

    wait(days=400)
    refused = guess(identifier, PASSWORD)
    assert (refused.status_code, refused.json["retry_after"]) == (429, 3600)


@pytest.mark.stores
@pytest.mark.requirement("RL-02")
def test_the_owner_signs_in_on_a_known_device_while_strangers_guess(app, ada, guess, device):
    guess()
    set_counters(app, 92)
    judged = from_many_networks(guess, 4)

    strange = guess(ADA, PASSWORD, address=ELSEWHERE)
    known = guess(ADA, PASSWORD, address="10.0.1.1", device=device)
    reopened = guess(ADA, PASSWORD, address=ELSEWHERE)

    assert judged == [401] * 8 + [429] * 8
    assert [a.status_code for a in (strange, known, reopened)] == [429, 200, 200]
    assert statuses(guess, 4, address=ELSEWHERE) == [401] * 4  # it begins anew, not at 99


@pytest.mark.requirement("RL-02")
def test_a_stranger_makes_the_owner_wait_neither_elsewhere_nor_on_a_known_device(
    ada, guess, device
):
    assert statuses(guess, 6) == [401] * 5 + [429]

    assert guess(ADA, PASSWORD, address=ELSEWHERE).status_code == 200
    assert guess(ADA, PASSWORD, device=device).status_code == 200


def test_a_success_of_a_stranger_does_not_lower_the_sum(app, ada, guess):
    statuses(guess, 1)
    set_counters(app, 99)

    assert guess(ADA, PASSWORD, address=ELSEWHERE).status_code == 200

    assert statuses(guess, 2, address="203.0.113.1") == [401, 429]


# Known devices


@pytest.mark.stores
def test_a_known_device_waits_for_its_own_failures_only_and_wherever_it_is(ada, guess, device):
    judged = [
        guess(address=address, device=device).status_code
        for address in (HERE, ELSEWHERE, HERE, ELSEWHERE, HERE, ELSEWHERE)
    ]

    assert judged == [401] * 5 + [429]
    assert guess(ADA, PASSWORD).status_code == 200


def test_a_known_device_adds_nothing_to_the_sum(app, ada, guess, device):
    guess(address=ELSEWHERE)
    set_counters(app, 98)

    statuses(guess, 3, device=device)

    assert statuses(guess, 3, address="203.0.113.1") == [401, 401, 429]


def test_the_device_of_one_person_is_a_strangers_for_another(ada, guess, device, make_user):
    other = make_user()

    statuses(guess, 5, other.email, device=device)

    assert guess(other.email, other.password).status_code == 429
    assert guess(ADA, PASSWORD, device=device).status_code == 200


@pytest.mark.stores
def test_after_a_hundred_failures_a_known_device_is_a_strangers_again(app, ada, guess, device):
    guess(device=device)
    set_counters(app, 98)

    assert guess(device=device).status_code == 401
    assert len(rows(app, Device)) == 1
    set_counters(app, 99)
    assert guess(device=device).status_code == 401

    assert rows(app, Device) == []
    assert {counter.failures for counter in rows(app, GuessCounter)} == {0}  # the sum, untouched
    assert [event.user_id for event in audited(app, "login.device_forgotten")] == [user_id(app)]
    assert statuses(guess, 6, device=device) == [401] * 5 + [429]
    assert guess(device="").status_code == 429


def user_id(app):
    return rows(app, User, email=ADA)[0].id


# What is over


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_forgetting_counters_waits_for_no_guess_that_is_being_counted(app):
    with app.app_context():
        lockout.succeeded(lockout.count("somebody", None, Visitor("192.0.2.1", "", "")))
        with db.engine.begin() as guessing:
            guessing.execute(text("SELECT FROM guess_counters FOR UPDATE"))
            with writing():
                lockout.purge()
            db.session.commit()

    assert [counter.failures for counter in rows(app, GuessCounter)] == [0]
