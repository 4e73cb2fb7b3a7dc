"""What each risk signal finds, and what it lets pass."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatehouse.core import plugins
from gatehouse.risk.geoip import Place, Spot, kilometres
from gatehouse.risk.signal import Attempt, Login
from gatehouse.risk.signals.impossible_travel import FASTEST, least_distance
from gatehouse.risk.signals.unusual_hour import apart

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HERE, THERE = "192.0.2.0/24", "2001:db8::/64"
PARIS, LYON = Place("FR", Spot(48.86, 2.35)), Place("FR", Spot(45.76, 4.84))
BERLIN, NEW_YORK = Place("DE", Spot(52.52, 13.4)), Place("US", Spot(40.71, -74.0))
FRANCE, GERMANY = Place("FR", Spot(46.6, 2.5), 584), Place("DE", Spot(51.0, 10.4), 445)
NOWHERE = Place("RE")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

spots = st.builds(Spot, st.floats(-90, 90), st.floats(-180, 180))
moments = st.integers(1_600_000_000, 1_900_000_000).map(partial(datetime.fromtimestamp, tz=UTC))


def ago(*logins, **first):
    """Return a history: logins one day apart, the newest as long ago as is said."""
    newest = NOW - timedelta(**first)
    return tuple(Login(newest - timedelta(days=day), *of) for day, of in enumerate(logins))


def finds(name, history=(), **facts):
    signal = plugins.load("gatehouse.risk.signals", [name])[name]
    found = signal.score(Attempt(NOW, **facts), history)
    return found.sentence if found else None


# Devices and networks

USED = ago((HERE, FIREFOX), days=1)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"device_known": True}, False),
        ({"device_known": None}, False),
        ({"device_known": False}, True),
        ({"device_known": False, "user_agent": FIREFOX}, True),
        ({"device_known": False, "network": HERE}, True),
        ({"device_known": False, "user_agent": FIREFOX, "network": HERE}, True),
    ],
)
def test_a_device_is_new_by_its_token_alone(facts, found):
    assert bool(finds("new_device", USED, **facts)) is found


def test_a_new_device_is_named_in_words_that_no_stranger_wrote():
    told = finds("new_device", USED, device_known=False, user_agent=f"{FIREFOX} <b>Dear owner</b>")

    assert told == "Nobody has signed in to this account on this device before: Firefox on Linux."


@pytest.mark.parametrize(
    ("history", "network", "found"),
    [
        (ago((HERE,), days=1), THERE, True),
        (ago((HERE,), days=1), HERE, False),
        (ago((HERE,), (THERE,), days=1), THERE, False),
        (ago((HERE,), days=1), "", False),
        (ago(("",), days=1), HERE, False),
        ((), HERE, False),
    ],
)
def test_a_network_is_new_where_no_recent_login_came_from_it(history, network, found):
    assert bool(finds("new_network", history, network=network)) is found


# Countries and travel


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [(PARIS, BERLIN, True), (PARIS, LYON, False), (None, BERLIN, False), (PARIS, None, False)],
)
def test_a_country_is_new_where_no_recent_login_came_from_it(before, now, found):
    assert bool(finds("new_country", ago(("", "", before), days=1), place=now)) is found


@pytest.mark.parametrize(
    ("before", "now", "hours", "found"),
    [
        (PARIS, NEW_YORK, 2, True),
        (PARIS, NEW_YORK, 5.5, True),
        (PARIS, NEW_YORK, 6, False),
        (NEW_YORK, PARIS, 2, True),
        (PARIS, LYON, 0, False),
        (PARIS, BERLIN, 0.1, True),
        (FRANCE, GERMANY, 0, False),
        (FRANCE, NEW_YORK, 1, True),
        (FRANCE, FRANCE, 0, False),
        (NOWHERE, NEW_YORK, 0, False),
        (PARIS, NOWHERE, 0, False),
        (PARIS, None, 0, False),
        (None, PARIS, 0, False),
    ],
)
def test_travel_is_impossible_above_the_speed_of_an_airliner(before, now, hours, found):
    assert bool(finds("impossible_travel", ago(("", "", before), hours=hours), place=now)) is found


def test_travel_is_counted_from_the_latest_login_that_was_somewhere():
    history = ago(("", "", None), ("", "", NEW_YORK), ("", "", PARIS), hours=1)

    assert finds("impossible_travel", history, place=NEW_YORK) is None
    assert finds("impossible_travel", history[:1], place=PARIS) is None


def test_a_clock_that_went_back_is_no_time_machine():
    assert finds("impossible_travel", ago(("", "", PARIS), hours=-2), place=NEW_YORK)


@given(one=spots, other=spots)
def test_distances_are_those_of_a_globe(one, other):
    there, back = kilometres(one, other), kilometres(other, one)

    assert there == pytest.approx(back)
    assert 0 <= there <= 20_016
    assert kilometres(one, one) == 0


@given(one=spots, other=spots, reach=st.integers(0, 5000))
def test_what_is_known_less_exactly_is_never_farther_away(one, other, reach):
    exact = least_distance(Place("FR", one), Place("US", other))

    assert 0 <= least_distance(Place("FR", one, reach), Place("US", other)) <= exact


@given(one=spots, other=spots, minutes=st.integers(0, 6000))
def test_whoever_had_the_time_to_fly_is_let_be(one, other, minutes):
    history = (Login(NOW - timedelta(minutes=minutes), place=Place("FR", one)),)
    found = finds("impossible_travel", history, place=Place("US", other))

    if kilometres(one, other) <= FASTEST * minutes / 60:
        assert found is None


# Failures, rest, habits


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"failures": 2}, False),
        ({"failures": 3}, True),
        ({"failures": 0, "strangers": 19}, False),
        ({"failures": 0, "strangers": 20}, True),
        ({"strangers": 20}, True),
    ],
)
def test_wrong_passwords_before_the_right_one_stand_out(facts, found):
    assert bool(finds("failures_before", **facts)) is found


@pytest.mark.parametrize(("days", "found"), [(89, False), (90, True), (4000, True)])
def test_an_account_rests_from_ninety_days_on(days, found):
    told = finds("dormant_account", ago((HERE,), (HERE,), days=days))

    assert told == (f"Nobody had signed in to this account for {days} days." if found else None)


@pytest.mark.parametrize(
    ("hour", "found"), [(9, False), (12, False), (15, False), (16, True), (0, True), (8, True)]
)
def test_an_hour_is_unusual_where_ten_logins_are_far_from_it(hour, found):
    shifted = ago(*[(HERE,)] * 10, hours=(12 - hour) % 24)

    assert bool(finds("unusual_hour", shifted)) is found
    assert finds("unusual_hour", shifted[:9]) is None


def test_midnight_is_no_border():
    before, after = NOW.replace(hour=23, minute=30), NOW.replace(hour=0, minute=30)

    assert apart(before, after) == timedelta(hours=1)


@given(one=moments, other=moments, days=st.integers(-400, 400))
def test_the_date_does_not_change_how_far_two_times_of_the_day_are_apart(one, other, days):
    distance = apart(one, other)

    assert timedelta(0) <= distance <= timedelta(hours=12)
    assert apart(other, one) == distance
    assert apart(one + timedelta(days=days), other) == distance


@pytest.mark.parametrize(
    ("name", "fact"),
    [("breached_password", "breached"), ("guard_raised", "raised")],
)
def test_what_was_found_elsewhere_is_passed_on(name, fact):
    assert finds(name, **{fact: True})
    assert finds(name, **{fact: False}) is None


def test_a_listed_network_is_named():
    told = finds("known_bad_network", listed="203.0.113.0/25")

    assert told == "The address belongs to 203.0.113.0/25, which the operator has listed."
    assert finds("known_bad_network", listed="") is None


# Sessions that go on

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        (FIREFOX, FIREFOX.replace("140.0", "141.0.2"), False),
        (IPHONE, IPHONE.replace("18_1", "18_1_1"), False),
        (FIREFOX, FIREFOX.replace("X11; Linux x86_64", "Windows NT 10.0; Win64; x64"), True),
        (FIREFOX, "curl/8.0", True),
        (FIREFOX, "", True),
        ("", FIREFOX, False),
    ],
)
def test_another_program_or_system_is_found_and_an_update_is_not(before, now, found):
    last = Login(NOW - timedelta(minutes=10), HERE, before)

    assert bool(finds("changed_user_agent", (last,), before=last, user_agent=now)) is found


def test_the_programs_of_a_session_are_named():
    last = Login(NOW, HERE, FIREFOX)

    told = finds("changed_user_agent", (last,), before=last, user_agent="curl/8.0")

    assert told == "The session was used with Firefox on Linux, and goes on with curl."
