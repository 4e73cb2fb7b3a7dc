"""Routes accept only the methods and media types that they declare."""

import json
import re
from collections import defaultdict
from itertools import product

import pytest

from tests.surface.conftest import (
    FORMS,
    read_problem,
    read_tables,
    request_every_route,
    send_request,
    unexpected_problems,
)

UNSUPPORTED_MEDIA_TYPE = (415, "unsupported_media_type")
CREDENTIALS = json.dumps({"identifier": "nobody@example.com", "password": "wrong"})
OTHER_MEDIA_TYPES = [
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonx",
    "application/json-patch+json",
    "application/problem+json",
    "application/xml",
    "json",
    " ",
]

# Methods


@pytest.mark.requirement("AP-04")
def test_undeclared_method_gets_405_with_the_allowed_methods(app):
    declared = defaultdict(set)
    for rule in app.url_map.iter_rules():
        ids = re.sub("<uuid:[^>]+>", "[0-9a-f-]{36}", rule.rule)
        rests = re.sub("<path:[^>]+>", ".+", ids)
        declared[re.compile(re.sub("<[^>]+>", "[^/]+", rests))] |= rule.methods

    for request_line, response in request_every_route(app):
        method, path = request_line.split(" ")
        allowed = set().union(
            *(declared[pattern] for pattern in declared if pattern.fullmatch(path))
        )
        if path == "/nowhere":
            assert response.status_code == 404, request_line
        elif method in allowed:
            assert response.status_code != 405, request_line
        else:
            assert response.status_code == 405, request_line
            assert {*response.headers["Allow"].split(", ")} == allowed, request_line


@pytest.mark.requirement("AP-04")
def test_unknown_method_gets_405_without_an_echo(app):
    paths = ["/auth/me", "/health/live", "/docs", "/gateway/verify"]

    for method, path in product(["TRACE", "CONNECT", "PROPFIND", "GETX"], paths):
        response = send_request(app, method, path, bearer="secret", Cookie="secret=1")

        assert read_problem(response) == (405, "method_not_allowed"), (method, path)
        assert "secret" not in response.text, (method, path)


@pytest.mark.requirement("AP-04")
def test_method_in_lower_case_is_another_method(app, ada):
    """Methods are case-sensitive (RFC 9110 section 9.1): a proxy's rules for GET match `GET`."""
    before = read_tables(app)
    paths = ["/auth/me", "/auth/sessions", "/health/live", "/gateway/verify"]

    for method, path in [*product(["get", "Get", "options"], paths), ("post", "/auth/logout")]:
        response = ada.send(method, path)

        assert read_problem(response) == (405, "method_not_allowed"), (method, path)
        assert method.upper() in response.headers["Allow"].split(", "), (method, path)
    assert read_problem(ada.send("get", "/nowhere")) == (404, "not_found")
    assert read_tables(app) == before


@pytest.mark.requirement("AP-04")
def test_method_is_not_overridden_by_a_header_or_parameter(app, ada):
    session = ada.get("/auth/sessions").json["items"][0]["id"]
    before = read_tables(app)

    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"):
        rejected = ada.post(f"/auth/sessions/{session}", headers={name: "DELETE"})
        ignored = ada.get("/dev/mailbox", headers={name: "DELETE"})
        in_the_query = ada.get("/dev/mailbox", query_string={name: "DELETE"})

        assert read_problem(rejected) == (405, "method_not_allowed"), name
        assert (ignored.status_code, in_the_query.status_code) == (200, 200), name
    assert read_tables(app) == before


# Media types


@pytest.mark.requirement("AP-04")
def test_body_of_another_media_type_is_rejected(send_invalid):
    responses = {
        (endpoint, media_type): send_invalid(endpoint, json.dumps(FORMS[endpoint]), media_type)
        for endpoint, media_type in product(FORMS, OTHER_MEDIA_TYPES)
    }

    assert unexpected_problems(UNSUPPORTED_MEDIA_TYPE, responses) == {}


@pytest.mark.requirement("AP-04")
def test_body_without_a_media_type_is_rejected(client):
    assert read_problem(client.post("/auth/login", data=CREDENTIALS)) == UNSUPPORTED_MEDIA_TYPE


@pytest.mark.requirement("AP-04")
def test_body_of_a_get_must_be_json_too(ada):
    response = ada.get("/auth/me", data="a=b", content_type="application/x-www-form-urlencoded")

    assert read_problem(response) == UNSUPPORTED_MEDIA_TYPE


@pytest.mark.requirement("AP-04")
def test_body_with_a_content_encoding_is_rejected(client):
    for encoding in ("gzip", "br", "deflate", "x-unknown", "gzip, identity", "GZIP"):
        response = client.post(
            "/auth/login",
            data=CREDENTIALS,
            content_type="application/json",
            headers={"Content-Encoding": encoding},
        )

        assert read_problem(response) == UNSUPPORTED_MEDIA_TYPE, encoding
        assert response.headers["Accept-Encoding"] == "identity", encoding


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_media_type_is_case_insensitive(client, content_type):
    response = client.post("/auth/login", data=CREDENTIALS, content_type=content_type)

    assert read_problem(response) == (401, "invalid_credentials")
