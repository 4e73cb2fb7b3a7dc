"""Strict JSON: what we write we read; what others could read differently we refuse."""

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from gatehouse.web.json import DEPTH, StrictJSON

strict = StrictJSON(Flask("nobody"))
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
def test_what_is_written_is_read_again(value):
    assert strict.loads(strict.dumps(value)) == value


@given(VALUES)
def test_bytes_and_text_are_read_alike(value):
    assert strict.loads(strict.dumps(value).encode()) == value


@given(st.text() | st.binary())
def test_whatever_is_not_json_is_a_value_error_and_nothing_worse(document):
    try:
        strict.loads(document)
    except ValueError:
        return


def test_members_stay_in_the_order_they_were_written():
    assert strict.dumps({"b": 1, "a": 2}) == '{"b": 1, "a": 2}'
    assert list(strict.loads('{"b": 1, "a": 2}')) == ["b", "a"]


@pytest.mark.parametrize("levels", [1, DEPTH])
def test_so_many_levels_are_read(levels):
    assert strict.loads("[" * levels + "]" * levels) is not None


@pytest.mark.parametrize("levels", [DEPTH + 1, 1000, 100_000])
def test_one_more_is_refused(levels):
    with pytest.raises(ValueError, match="nested too deep"):
        strict.loads("[" * levels + "]" * levels)


@pytest.mark.parametrize("document", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "a": 2}}]'])
def test_a_key_that_stands_twice_is_refused(document):
    with pytest.raises(ValueError, match="twice"):
        strict.loads(document)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "[-1e400]"])
def test_a_number_that_is_not_finite_is_refused(number):
    with pytest.raises(ValueError, match="not finite"):
        strict.loads(number)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "latin-1"])
def test_json_is_utf_8(encoding):
    with pytest.raises(ValueError):
        strict.loads('{"name": "Zoë"}'.encode(encoding))
