"""Fuzzing of request bodies: no input causes a server error."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ENDPOINTS = {
    "/auth/register": ("email", "password", "username", "phone", "name", "locale"),
    "/auth/login": ("identifier", "password"),
    "/auth/refresh": ("refresh_token",),
    "/auth/email/verify": ("email", "code", "token", "password"),
}
TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates and all
PLAUSIBLE = st.one_of(
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

# All examples of a test share one application, as clients share a server.
fuzz_settings = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def draw_forms(fields):
    """Draw objects with some of an endpoint's fields, mostly with plausible texts."""
    optional = {field: PLAUSIBLE | JSON for field in fields}
    return st.fixed_dictionaries({}, optional=optional)


def post_json(client, path, body):
    """Send a body as JSON; return the status."""
    return client.post(path, data=body, content_type="application/json").status_code


@pytest.mark.requirement("AP-03")
@pytest.mark.parametrize("path", ENDPOINTS)
@given(data=st.data())
@fuzz_settings
def test_json_never_causes_a_server_error(client, path, data):
    value = data.draw(draw_forms(ENDPOINTS[path]) | JSON)

    assert post_json(client, path, json.dumps(value)) < 500


@pytest.mark.requirement("AP-03")
@pytest.mark.parametrize("path", ENDPOINTS)
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@fuzz_settings
def test_bytes_never_cause_a_server_error(client, path, body):
    assert post_json(client, path, body) < 500
