"""Only the methods and media types that a route declares are answered."""

import json
import re
from collections import defaultdict
from itertools import product

import pytest

from tests.surface.conftest import FORMS, ask, contents, every_answer, other_than, verdict

WRONG_MEDIA = (415, "unsupported_media_type")
CREDENTIALS = json.dumps({"identifier": "nobody@example.com", "password": "wrong"})
OTHER_MEDIA = [
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
def test_methods_that_nobody_declared_are_refused_and_the_others_named(app):
    declared = defaultdict(set)
    for rule in app.url_map.iter_rules():
        declared[re.compile(re.sub("<[^>]+>", "[^/]+", rule.rule))] |= rule.methods

    for asked, answer in every_answer(app):
        method, path = asked.split(" ")
        allowed = set().union(*(declared[known] for known in declared if known.fullmatch(path)))
        if path == "/nowhere":
            assert answer.status_code == 404, asked
        elif method in allowed:
            assert answer.status_code != 405, asked
        else:
            assert answer.status_code == 405, asked
            assert {*answer.headers["Allow"].split(", ")} == allowed, asked


@pytest.mark.requirement("AP-04")
def test_strange_methods_are_refused_everywhere_and_echo_nothing(app):
    paths = ["/auth/me", "/health/live", "/docs", "/gateway/verify"]

    for method, path in product(["TRACE", "CONNECT", "PROPFIND", "GETX"], paths):
        answer = ask(app, method, path, bearer="secret", Cookie="secret=1")

        assert verdict(answer) == (405, "method_not_allowed"), (method, path)
        assert "secret" not in answer.text, (method, path)


@pytest.mark.requirement("AP-04")
def test_no_header_or_parameter_overrides_the_method(app, ada):
    session = ada.get("/auth/sessions").json["items"][0]["id"]
    before = contents(app)

    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"):
        refused = ada.post(f"/auth/sessions/{session}", headers={name: "DELETE"})
        ignored = ada.get("/dev/mailbox", headers={name: "DELETE"})
        in_the_address = ada.get("/dev/mailbox", query_string={name: "DELETE"})

        assert verdict(refused) == (405, "method_not_allowed"), name
        assert (ignored.status_code, in_the_address.status_code) == (200, 200), name
    assert contents(app) == before


# Media types


@pytest.mark.requirement("AP-04")
def test_a_body_of_another_media_type_is_refused(knock):
    answers = {
        (door, media): knock(door, json.dumps(FORMS[door]), media)
        for door, media in product(FORMS, OTHER_MEDIA)
    }

    assert other_than(WRONG_MEDIA, answers) == {}


@pytest.mark.requirement("AP-04")
def test_a_body_without_a_media_type_is_refused(client):
    assert verdict(client.post("/auth/login", data=CREDENTIALS)) == WRONG_MEDIA


@pytest.mark.requirement("AP-04")
def test_a_body_that_nobody_asked_for_must_be_json_too(ada):
    answer = ada.get("/auth/me", data="a=b", content_type="application/x-www-form-urlencoded")

    assert verdict(answer) == WRONG_MEDIA


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_read_in_whatever_case_it_is_announced(client, content_type):
    answer = client.post("/auth/login", data=CREDENTIALS, content_type=content_type)

    assert verdict(answer) == (401, "invalid_credentials")
