"""An IPv6 prefix has many networks, which the lockout counts together too."""

import pytest

from gatehouse.lockout import service as lockout
from gatehouse.lockout.errors import TooManyAttempts
from gatehouse.web.request_context import RequestContext
from tests.client import PASSWORD
from tests.login_attempts import ADA, HERE, attempt_times
from tests.rows import audited


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


@pytest.mark.stores
@pytest.mark.requirement("RL-01", "RL-05")
def test_ipv6_prefix_allows_twenty_attempts_of_all_its_networks(app, ada, attempt_login, wait):
    statuses = [
        attempt_login(ip_address=f"2001:db8:0:{number:x}::1").status_code for number in range(25)
    ]

    assert statuses == [401] * 20 + [429] * 5
    assert attempt_login(ADA, PASSWORD, ip_address="2001:db8:0:ff::1").status_code == 429
    assert attempt_login(ip_address="2001:db8:0:100::1").status_code == 401
    assert [event.details["seconds"] for event in audited(app, "login.throttled")] == [30]
    wait(seconds=30)
    assert [attempt_login(ip_address=f"2001:db8:0:{n:x}::1").status_code for n in (30, 31)] == [
        401,
        429,
    ]


def test_success_subtracts_only_its_own_count_from_its_ipv6_prefix(ada, attempt_login):
    statuses = [
        attempt_login(ip_address=f"2001:db8:0:{number:x}::1").status_code for number in range(19)
    ]

    assert attempt_login(ADA, PASSWORD, ip_address="2001:db8:0:1e::1").status_code == 200

    assert statuses == [401] * 19
    assert [attempt_login(ip_address=f"2001:db8:0:{n:x}::1").status_code for n in (31, 32)] == [
        401,
        429,
    ]


def logs_in(attempt_login, ip_address):
    return attempt_login(ADA, PASSWORD, ip_address=ip_address).status_code == 200


@pytest.mark.stores
@pytest.mark.requirement("RL-02")
@pytest.mark.parametrize("ip_address", [HERE, "2001:db8::1"])
def test_two_failures_before_each_success_never_lead_to_a_wait(ada, attempt_login, ip_address):
    for number in range(12):
        statuses = attempt_times(attempt_login, 2, ip_address=ip_address)
        assert statuses == [401, 401], number
        assert logs_in(attempt_login, ip_address), number


def count_attempts(*networks):
    """Count an attempt of each of these networks of one prefix."""
    contexts = [RequestContext(f"2001:db8:0:{number:x}::1", "", "") for number in networks]
    return [lockout.count_attempt("unknown", None, context) for context in contexts]


@pytest.mark.stores
def test_success_is_subtracted_from_the_prefix_only_once(app):
    with app.app_context():
        count_attempts(*range(1, 11))
        right, *late = count_attempts(0, 0, 0, 0)
        lockout.reset_counters(right)
        for attempt in late:
            lockout.withdraw_attempt(attempt)
        [last] = count_attempts(11)

    assert last.failures_from_prefix == 11


@pytest.mark.stores
def test_success_that_subtracts_nothing_from_the_prefix_ends_no_wait(app):
    with app.app_context():
        count_attempts(*range(1, 18))
        first, second = count_attempts(0, 0)
        lockout.reset_counters(first)
        count_attempts(20, 21, 22)
        lockout.reset_counters(second)
        with pytest.raises(TooManyAttempts):
            count_attempts(23)


def test_audit_event_counts_the_failures_of_a_blocked_prefix(app, ada, attempt_login):
    for number in range(20):
        attempt_login(ip_address=f"2001:db8:0:{number:x}::1")

    [event] = audited(app, "login.throttled")
    assert event.details == {"failures": 20, "seconds": 30}


def test_audit_event_counts_the_failures_of_a_blocked_network_rather_than_of_its_prefix(
    app, ada, attempt_login
):
    for number in [*range(1, 14), *[0] * 5]:
        attempt_login(ip_address=f"2001:db8:0:{number:x}::1")

    [event] = audited(app, "login.throttled")
    assert event.details == {"failures": 5, "seconds": 30}
