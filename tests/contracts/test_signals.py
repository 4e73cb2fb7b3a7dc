"""Every risk signal on the shelf keeps the same promises."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatehouse.core import plugins
from gatehouse.risk.geoip import Place, Spot
from gatehouse.risk.signal import Attempt, Login

SHELF = "gatehouse.risk.signals"
NOW = datetime(2026, 11, 23, 3, 14, tzinfo=UTC)
PARIS, SYDNEY = Place("FR", Spot(48.9, 2.4)), Place("AU", Spot(-33.9, 151.2))
USUAL = Login(NOW - timedelta(days=100, hours=11), "192.0.2.0/24", "Firefox", PARIS)
SUSPICIOUS = Attempt(
    at=NOW,
    network="198.51.100.0/24",
    user_agent="curl",
    place=SYDNEY,
    device_known=False,
    failures=7,
    strangers=40,
    breached=True,
    listed="198.51.100.0/24",
    raised=True,
    before=replace(USUAL, at=NOW - timedelta(minutes=10)),
)
"""Everything about it stands out, but that nobody can travel slower."""
HISTORY = tuple(replace(USUAL, at=USUAL.at - timedelta(days=day)) for day in range(12))
LATELY = (replace(USUAL, at=NOW - timedelta(hours=5)),)

places = st.none() | st.builds(
    Place,
    st.sampled_from(["FR", "AU", "US"]),
    st.none() | st.builds(Spot, st.floats(-90, 90), st.floats(-180, 180)),
    st.integers(0, 5000),
)
moments = st.integers(1_600_000_000, 1_900_000_000).map(partial(datetime.fromtimestamp, tz=UTC))
words = st.sampled_from(["", "192.0.2.0/24", "2001:db8::/64"])
logins = st.builds(Login, moments, words, st.text(max_size=20), places)
attempts = st.builds(
    Attempt,
    at=moments,
    network=words,
    user_agent=st.text(max_size=20),
    place=places,
    device_known=st.none() | st.booleans(),
    failures=st.none() | st.integers(0, 200),
    strangers=st.none() | st.integers(0, 200),
    breached=st.none() | st.booleans(),
    listed=st.none() | words,
    raised=st.none() | st.booleans(),
    before=st.none() | logins,
)
histories = st.lists(logins, max_size=50).map(tuple)


@pytest.fixture(params=plugins.names(SHELF))
def signal(request):
    return plugins.load(SHELF, [request.param])[request.param]


def test_the_suspicious_login_tells_everything_that_can_be_told():
    assert {name for name, _ in vars(SUSPICIOUS).items()} == {f.name for f in fields(Attempt)}
    assert None not in vars(SUSPICIOUS).values()


def test_it_finds_something_in_a_login_where_everything_stands_out(signal):
    found = signal.score(SUSPICIOUS, HISTORY) or signal.score(SUSPICIOUS, LATELY)

    assert found is not None


def test_it_explains_itself_in_one_sentence(signal):
    found = signal.score(SUSPICIOUS, HISTORY) or signal.score(SUSPICIOUS, LATELY)

    assert found.sentence[0].isupper() or found.sentence[0].isdigit()
    assert found.sentence.endswith(".")
    assert "\n" not in found.sentence
    assert ". " not in found.sentence
    assert len(found.sentence) <= 120


def test_where_nothing_is_known_nothing_stands_out(signal):
    assert signal.score(Attempt(NOW), ()) is None
    assert signal.score(Attempt(NOW), (Login(NOW - timedelta(minutes=1)),)) is None


def test_on_the_first_login_nothing_is_unusual(signal):
    first = Attempt(NOW, "192.0.2.0/24", "Firefox", PARIS, False, 0, 0, False, "", False)

    assert signal.score(first, ()) is None


def test_a_login_like_the_others_is_nothing_new(signal):
    same = Attempt(NOW, "192.0.2.0/24", "Firefox", PARIS, True, 0, 0, False, "", False, USUAL)
    logins = tuple(replace(USUAL, at=NOW - timedelta(days=day)) for day in range(1, 20))

    assert signal.score(same, logins) is None


@settings(deadline=None, max_examples=200)  # the first user agent waits for its parser
@given(attempt=attempts, history=histories)
def test_the_same_facts_give_the_same_answer_and_stay_as_they_were(attempt, history):
    """All pieces judge the same facts: making those up is what takes long."""
    before = (repr(attempt), repr(history))

    for name, signal in plugins.load(SHELF, plugins.names(SHELF)).items():
        first, second = signal.score(attempt, history), signal.score(attempt, history)

        assert first == second, name
        assert (repr(attempt), repr(history)) == before, name
        assert first is None or first.sentence.endswith("."), name
