"""Whatever arrives, nobody finds an input that the service did not expect."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DOORS = {
    "/auth/register": ("email", "password", "username", "phone", "name", "locale"),
    "/auth/login": ("identifier", "password"),
    "/auth/refresh": ("refresh_token",),
    "/auth/email/verify": ("email", "code", "token", "password"),
}
TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates and all
LIKELY = st.one_of(
    st.emails(),
    st.from_regex(r"\A[+]?[0-9]{1,20}\Z"),
    st.from_regex(r"\A[\w-]{0,40}(\.[\w-]{0,40}){2}\Z"),  # what a token looks like
    st.just("seven green lanterns by the harbour"),
    TEXT,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)

# The application is the same for all examples of a test: that is what a server is to its clients.
tried = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def forms(fields):
    """Draw objects with some of a door's fields, mostly with texts that look right."""
    optional = {field: LIKELY | JSON for field in fields}
    return st.fixed_dictionaries({}, optional=optional)


def knock(client, path, body):
    """Send a body as JSON, and return the status."""
    return client.post(path, data=body, content_type="application/json").status_code


@pytest.mark.requirement("AP-03")
@pytest.mark.parametrize("path", DOORS)
@given(data=st.data())
@tried
def test_no_json_makes_a_door_fail(client, path, data):
    value = data.draw(forms(DOORS[path]) | JSON)

    assert knock(client, path, json.dumps(value)) < 500


@pytest.mark.requirement("AP-03")
@pytest.mark.parametrize("path", DOORS)
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@tried
def test_no_bytes_make_a_door_fail(client, path, body):
    assert knock(client, path, body) < 500
