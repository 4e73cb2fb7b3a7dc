"""An IPv6 site has many networks, which the lockout counts together as well."""

import pytest

from gatehouse.lockout import service as lockout
from gatehouse.web.request_context import Visitor
from tests.client import PASSWORD
from tests.password_guessing import ADA, HERE, statuses
from tests.rows import audited


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


@pytest.mark.stores
@pytest.mark.requirement("RL-01", "RL-05")
def test_the_networks_of_one_ipv6_site_have_twenty_guesses_together(app, ada, guess, wait):
    judged = [guess(address=f"2001:db8:0:{number:x}::1").status_code for number in range(25)]

    assert judged == [401] * 20 + [429] * 5
    assert guess(ADA, PASSWORD, address="2001:db8:0:ff::1").status_code == 429
    assert guess(address="2001:db8:0:100::1").status_code == 401
    assert [event.details["seconds"] for event in audited(app, "login.throttled")] == [30]
    wait(seconds=30)
    assert [guess(address=f"2001:db8:0:{n:x}::1").status_code for n in (30, 31)] == [401, 429]


def test_a_success_takes_only_its_own_count_back_from_its_ipv6_site(ada, guess):
    judged = [guess(address=f"2001:db8:0:{number:x}::1").status_code for number in range(19)]

    assert guess(ADA, PASSWORD, address="2001:db8:0:1e::1").status_code == 200

    assert judged == [401] * 19
    assert [guess(address=f"2001:db8:0:{n:x}::1").status_code for n in (31, 32)] == [401, 429]


def log_in(guess, address):
    return guess(ADA, PASSWORD, address=address).status_code == 200


@pytest.mark.stores
@pytest.mark.requirement("RL-02")
@pytest.mark.parametrize("address", [HERE, "2001:db8::1"])
def test_who_mistypes_twice_before_each_right_password_never_waits(ada, guess, address):
    tried = [statuses(guess, 2, address=address) for _ in range(12) if log_in(guess, address)]

    assert tried == [[401, 401]] * 12
    assert log_in(guess, address)


def count(*networks):
    """Count a guess of each of these networks of one site."""
    visitors = [Visitor(f"2001:db8:0:{number:x}::1", "", "") for number in networks]
    return [lockout.count("somebody", None, visitor) for visitor in visitors]


@pytest.mark.stores
def test_what_a_success_took_off_a_site_is_not_taken_off_once_more(app):
    with app.app_context():
        count(*range(1, 11))
        right, *late = count(0, 0, 0, 0)
        lockout.succeeded(right)
        for guess in late:
            lockout.withdraw(guess)
        [last] = count(11)

    assert last.of_site == 11


@pytest.mark.stores
def test_a_success_that_takes_nothing_off_a_site_ends_no_wait_there(app):
    with app.app_context():
        count(*range(1, 18))
        first, second = count(0, 0)
        lockout.succeeded(first)
        count(20, 21, 22)
        lockout.succeeded(second)
        with pytest.raises(lockout.TooManyAttempts):
            count(23)


def test_what_made_a_site_wait_is_what_the_audit_tells(app, ada, guess):
    for number in range(20):
        guess(address=f"2001:db8:0:{number:x}::1")

    [waits] = audited(app, "login.throttled")
    assert waits.details == {"failures": 20, "seconds": 30}


def test_what_made_a_network_wait_is_what_the_audit_tells_though_its_site_failed_oftener(
    app, ada, guess
):
    for number in [*range(1, 14), *[0] * 5]:
        guess(address=f"2001:db8:0:{number:x}::1")

    [waits] = audited(app, "login.throttled")
    assert waits.details == {"failures": 5, "seconds": 30}
