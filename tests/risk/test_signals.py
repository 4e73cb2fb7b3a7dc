"""What each risk signal finds, and what it does not."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatehouse.core import plugins
from gatehouse.risk.geoip import Coordinates, GeoLocation, distance_km
from gatehouse.risk.signal import Attempt, Login
from gatehouse.risk.signals.impossible_travel import MAX_SPEED_KMH, min_distance_km
from gatehouse.risk.signals.unusual_hour import time_of_day_distance

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HERE, THERE = "192.0.2.0/24", "2001:db8::/64"
PARIS, LYON = (
    GeoLocation("FR", Coordinates(48.86, 2.35)),
    GeoLocation("FR", Coordinates(45.76, 4.84)),
)
BERLIN, NEW_YORK = (
    GeoLocation("DE", Coordinates(52.52, 13.4)),
    GeoLocation("US", Coordinates(40.71, -74.0)),
)
FRANCE, GERMANY = (
    GeoLocation("FR", Coordinates(46.6, 2.5), 584),
    GeoLocation("DE", Coordinates(51.0, 10.4), 445),
)
NO_COORDINATES = GeoLocation("RE")
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

coordinates = st.builds(Coordinates, st.floats(-90, 90), st.floats(-180, 180))
times = st.integers(1_600_000_000, 1_900_000_000).map(partial(datetime.fromtimestamp, tz=UTC))


def ago(*logins, **age):
    """Return a history: logins one day apart, the newest of this age.

    Each login is a tuple of IP prefix, user agent and location.
    """
    newest = NOW - timedelta(**age)
    return tuple(Login(newest - timedelta(days=day), *login) for day, login in enumerate(logins))


def explain(name, history=(), **facts):
    """Return the explanation of the signal's finding, or None."""
    signal = plugins.load("gatehouse.risk.signals", [name])[name]
    finding = signal.score(Attempt(NOW, **facts), history)
    return finding.explanation if finding else None


# Devices and networks

USED = ago((HERE, FIREFOX), days=1)


DEVICES = [
    ({"device_known": True}, False),
    ({"device_known": None}, False),
    ({"device_known": False}, True),
    ({"device_known": False, "user_agent": FIREFOX}, True),
    ({"device_known": False, "ip_prefix": HERE}, True),
    ({"device_known": False, "user_agent": FIREFOX, "ip_prefix": HERE}, True),
]


def test_new_device_depends_on_the_device_token_only():
    for facts, found in DEVICES:
        assert bool(explain("new_device", USED, **facts)) is found, facts


def test_new_device_explanation_contains_no_text_of_the_client():
    user_agent = f"{FIREFOX} <b>Dear owner</b>"

    explanation = explain("new_device", USED, device_known=False, user_agent=user_agent)

    assert explanation == (
        "There was no login to this account on this device before: Firefox on Linux."
    )


NETWORKS = [
    (ago((HERE,), days=1), THERE, True),
    (ago((HERE,), days=1), HERE, False),
    (ago((HERE,), (THERE,), days=1), THERE, False),
    (ago((HERE,), days=1), "", False),
    (ago(("",), days=1), HERE, False),
    ((), HERE, False),
]


def test_new_network_is_one_without_a_recent_login():
    for history, network, found in NETWORKS:
        explanation = explain("new_network", history, ip_prefix=network)

        assert bool(explanation) is found, (history, network)


# Countries and travel


COUNTRIES = [
    (PARIS, BERLIN, True),
    (PARIS, LYON, False),
    (None, BERLIN, False),
    (PARIS, None, False),
]


def test_new_country_is_one_without_a_recent_login():
    for before, now, found in COUNTRIES:
        explanation = explain("new_country", ago(("", "", before), days=1), location=now)

        assert bool(explanation) is found, (before, now)


TRAVELS = [
    (PARIS, NEW_YORK, 2, True),
    (PARIS, NEW_YORK, 5.5, True),
    (PARIS, NEW_YORK, 6, False),
    (NEW_YORK, PARIS, 2, True),
    (PARIS, LYON, 0, False),
    (PARIS, BERLIN, 0.1, True),
    (FRANCE, GERMANY, 0, False),
    (FRANCE, NEW_YORK, 1, True),
    (FRANCE, FRANCE, 0, False),
    (NO_COORDINATES, NEW_YORK, 0, False),
    (PARIS, NO_COORDINATES, 0, False),
    (PARIS, None, 0, False),
    (None, PARIS, 0, False),
]


def test_impossible_travel_is_faster_than_an_airliner():
    for before, now, hours, found in TRAVELS:
        history = ago(("", "", before), hours=hours)

        explanation = explain("impossible_travel", history, location=now)

        assert bool(explanation) is found, (before, now, hours)


def test_impossible_travel_starts_at_the_latest_login_with_a_location():
    history = ago(("", "", None), ("", "", NEW_YORK), ("", "", PARIS), hours=1)

    assert explain("impossible_travel", history, location=NEW_YORK) is None
    assert explain("impossible_travel", history[:1], location=PARIS) is None


def test_impossible_travel_is_found_if_the_clock_was_set_back():
    assert explain("impossible_travel", ago(("", "", PARIS), hours=-2), location=NEW_YORK)


@given(one=coordinates, other=coordinates)
def test_distance_is_symmetric_and_at_most_half_the_circumference(one, other):
    there, back = distance_km(one, other), distance_km(other, one)

    assert there == pytest.approx(back)
    assert 0 <= there <= 20_016
    assert distance_km(one, one) == 0


@given(one=coordinates, other=coordinates, radius=st.integers(0, 5000))
def test_smallest_distance_never_grows_with_the_accuracy_radius(one, other, radius):
    exact = min_distance_km(GeoLocation("FR", one), GeoLocation("US", other))

    assert 0 <= min_distance_km(GeoLocation("FR", one, radius), GeoLocation("US", other)) <= exact


@given(one=coordinates, other=coordinates, minutes=st.integers(0, 6000))
def test_impossible_travel_is_not_found_if_there_was_time_to_fly(one, other, minutes):
    history = (Login(NOW - timedelta(minutes=minutes), location=GeoLocation("FR", one)),)
    explanation = explain("impossible_travel", history, location=GeoLocation("US", other))

    if distance_km(one, other) <= MAX_SPEED_KMH * minutes / 60:
        assert explanation is None


# Failures, dormant accounts, hours


FAILURES = [
    ({"failures_here": 2}, False),
    ({"failures_here": 3}, True),
    ({"failures_here": 0, "failures_from_unknown_devices": 19}, False),
    ({"failures_here": 0, "failures_from_unknown_devices": 20}, True),
    ({"failures_from_unknown_devices": 20}, True),
]


def test_failures_before_are_found_from_three_here_or_twenty_in_all():
    for facts, found in FAILURES:
        assert bool(explain("failures_before", **facts)) is found, facts


def test_dormant_account_is_found_from_ninety_days_on():
    for days, found in ((89, False), (90, True), (4000, True)):
        explanation = explain("dormant_account", ago((HERE,), (HERE,), days=days))

        expected = f"There had been no login to this account for {days} days."
        assert explanation == (expected if found else None), days


def test_unusual_hour_is_over_three_hours_from_each_of_ten_logins():
    for hour, found in ((9, False), (12, False), (15, False), (16, True), (0, True), (8, True)):
        history = ago(*[(HERE,)] * 10, hours=(12 - hour) % 24)

        assert bool(explain("unusual_hour", history)) is found, hour
        assert explain("unusual_hour", history[:9]) is None, hour


def test_time_of_day_distance_crosses_midnight():
    before, after = NOW.replace(hour=23, minute=30), NOW.replace(hour=0, minute=30)

    assert time_of_day_distance(before, after) == timedelta(hours=1)


@given(one=times, other=times, days=st.integers(-400, 400))
def test_time_of_day_distance_does_not_depend_on_the_date(one, other, days):
    distance = time_of_day_distance(one, other)

    assert timedelta(0) <= distance <= timedelta(hours=12)
    assert time_of_day_distance(other, one) == distance
    assert time_of_day_distance(one + timedelta(days=days), other) == distance


@pytest.mark.parametrize(
    ("name", "fact"),
    [("breached_password", "breached"), ("credential_stuffing", "credential_stuffing")],
)
def test_signal_reports_a_fact_that_was_established_elsewhere(name, fact):
    assert explain(name, **{fact: True})
    assert explain(name, **{fact: False}) is None


def test_known_bad_network_is_named():
    explanation = explain("known_bad_network", listed_network="203.0.113.0/25")

    assert explanation == "The IP address is in 203.0.113.0/25, which the operator has listed."
    assert explain("known_bad_network", listed_network="") is None


# Sessions

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1"


USER_AGENTS = [
    (FIREFOX, FIREFOX.replace("140.0", "141.0.2"), False),
    (IPHONE, IPHONE.replace("18_1", "18_1_1"), False),
    (FIREFOX, FIREFOX.replace("X11; Linux x86_64", "Windows NT 10.0; Win64; x64"), True),
    (FIREFOX, "curl/8.0", True),
    (FIREFOX, "", True),
    ("", FIREFOX, False),
]


def test_changed_user_agent_is_another_browser_or_system_but_not_an_update():
    for before, now, found in USER_AGENTS:
        last = Login(NOW - timedelta(minutes=10), HERE, before)

        explanation = explain("changed_user_agent", (last,), last_use=last, user_agent=now)

        assert bool(explanation) is found, (before, now)


def test_changed_user_agent_names_both_browsers():
    last = Login(NOW, HERE, FIREFOX)

    explanation = explain("changed_user_agent", (last,), last_use=last, user_agent="curl/8.0")

    assert explanation == "The session was used with Firefox on Linux, and continues with curl."
