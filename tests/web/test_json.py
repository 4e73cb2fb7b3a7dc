"""Strict JSON: round trips, and rejection of input that parsers interpret differently."""

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from gatehouse.web.json import MAX_DEPTH, StrictJSON

strict = StrictJSON(Flask("test"))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_json_value_survives_a_round_trip(value):
    assert strict.loads(strict.dumps(value)) == value


@given(VALUES)
def test_json_bytes_and_text_are_parsed_alike(value):
    assert strict.loads(strict.dumps(value).encode()) == value


@given(st.text() | st.binary())
def test_invalid_json_raises_value_error_only(document):
    try:
        strict.loads(document)
    except ValueError:
        return


def test_json_members_keep_their_order():
    assert strict.dumps({"b": 1, "a": 2}) == '{"b": 1, "a": 2}'
    assert list(strict.loads('{"b": 1, "a": 2}')) == ["b", "a"]


@pytest.mark.parametrize("levels", [1, MAX_DEPTH])
def test_json_within_the_maximum_depth_is_parsed(levels):
    assert strict.loads("[" * levels + "]" * levels) is not None


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 1000, 100_000])
def test_json_beyond_the_maximum_depth_is_rejected(levels):
    with pytest.raises(ValueError, match="nested too deep"):
        strict.loads("[" * levels + "]" * levels)


@pytest.mark.parametrize("document", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "a": 2}}]'])
def test_json_with_a_duplicate_key_is_rejected(document):
    with pytest.raises(ValueError, match="duplicate key"):
        strict.loads(document)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "[-1e400]"])
def test_json_number_that_is_not_finite_is_rejected(number):
    with pytest.raises(ValueError, match="not finite"):
        strict.loads(number)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "latin-1"])
def test_json_must_be_utf_8(encoding):
    with pytest.raises(ValueError):
        strict.loads('{"name": "Zoë"}'.encode(encoding))
