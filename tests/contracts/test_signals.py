"""The contract that every risk signal fulfils."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatehouse.core import plugins
from gatehouse.risk.geoip import Coordinates, GeoLocation
from gatehouse.risk.signal import Attempt, Login

PACKAGE = "gatehouse.risk.signals"
NOW = datetime(2026, 11, 23, 3, 14, tzinfo=UTC)
PARIS, SYDNEY = (
    GeoLocation("FR", Coordinates(48.9, 2.4)),
    GeoLocation("AU", Coordinates(-33.9, 151.2)),
)
USUAL = Login(NOW - timedelta(days=100, hours=11), "192.0.2.0/24", "Firefox", PARIS)
SUSPICIOUS = Attempt(
    at=NOW,
    ip_prefix="198.51.100.0/24",
    user_agent="curl",
    location=SYDNEY,
    device_known=False,
    failures_here=7,
    failures_from_unknown_devices=40,
    breached=True,
    listed_network="198.51.100.0/24",
    credential_stuffing=True,
    last_use=replace(USUAL, at=NOW - timedelta(minutes=10)),
)
"""An attempt that is unusual for every signal; impossible travel needs RECENT as its history."""
HISTORY = tuple(replace(USUAL, at=USUAL.at - timedelta(days=day)) for day in range(12))
RECENT = (replace(USUAL, at=NOW - timedelta(hours=5)),)

locations = st.none() | st.builds(
    GeoLocation,
    st.sampled_from(["FR", "AU", "US"]),
    st.none() | st.builds(Coordinates, st.floats(-90, 90), st.floats(-180, 180)),
    st.integers(0, 5000),
)
times = st.integers(1_600_000_000, 1_900_000_000).map(partial(datetime.fromtimestamp, tz=UTC))
prefixes = st.sampled_from(["", "192.0.2.0/24", "2001:db8::/64"])
logins = st.builds(Login, times, prefixes, st.text(max_size=20), locations)
attempts = st.builds(
    Attempt,
    at=times,
    ip_prefix=prefixes,
    user_agent=st.text(max_size=20),
    location=locations,
    device_known=st.none() | st.booleans(),
    failures_here=st.none() | st.integers(0, 200),
    failures_from_unknown_devices=st.none() | st.integers(0, 200),
    breached=st.none() | st.booleans(),
    listed_network=st.none() | prefixes,
    credential_stuffing=st.none() | st.booleans(),
    last_use=st.none() | logins,
)
histories = st.lists(logins, max_size=50).map(tuple)


@pytest.fixture(params=plugins.list_names(PACKAGE))
def signal(request):
    return plugins.load(PACKAGE, [request.param])[request.param]


def test_suspicious_attempt_has_every_fact():
    assert {name for name, _ in vars(SUSPICIOUS).items()} == {f.name for f in fields(Attempt)}
    assert None not in vars(SUSPICIOUS).values()


def test_signal_finds_something_in_a_suspicious_attempt(signal):
    finding = signal.score(SUSPICIOUS, HISTORY) or signal.score(SUSPICIOUS, RECENT)

    assert finding is not None


def test_signal_explains_its_finding_in_one_sentence(signal):
    finding = signal.score(SUSPICIOUS, HISTORY) or signal.score(SUSPICIOUS, RECENT)

    assert finding.explanation[0].isupper() or finding.explanation[0].isdigit()
    assert finding.explanation.endswith(".")
    assert "\n" not in finding.explanation
    assert ". " not in finding.explanation
    assert len(finding.explanation) <= 120


def test_signal_finds_nothing_without_facts(signal):
    assert signal.score(Attempt(NOW), ()) is None
    assert signal.score(Attempt(NOW), (Login(NOW - timedelta(minutes=1)),)) is None


def test_signal_finds_nothing_in_the_first_login(signal):
    first = Attempt(NOW, "192.0.2.0/24", "Firefox", PARIS, False, 0, 0, False, "", False)

    assert signal.score(first, ()) is None


def test_signal_finds_nothing_in_a_usual_login(signal):
    same = Attempt(NOW, "192.0.2.0/24", "Firefox", PARIS, True, 0, 0, False, "", False, USUAL)
    logins = tuple(replace(USUAL, at=NOW - timedelta(days=day)) for day in range(1, 20))

    assert signal.score(same, logins) is None


@settings(deadline=None, max_examples=200)  # the first user agent loads its parser
@given(attempt=attempts, history=histories)
def test_signals_are_pure_functions(attempt, history):
    """All signals share the generated facts, because generating them takes long."""
    before = (repr(attempt), repr(history))

    for name, signal in plugins.load(PACKAGE, plugins.list_names(PACKAGE)).items():
        first, second = signal.score(attempt, history), signal.score(attempt, history)

        assert first == second, name
        assert (repr(attempt), repr(history)) == before, name
        assert first is None or first.explanation.endswith("."), name
