"""Only what a route declares is answered; nothing turns one method into another."""

from collections import defaultdict
from itertools import product

import pytest

from tests.surface.conftest import ask, contents, every_answer, verdict


@pytest.mark.requirement("AP-04")
def test_methods_that_nobody_declared_are_refused_and_the_others_named(app):
    declared = defaultdict(set)
    for rule in app.url_map.iter_rules():
        declared[rule.rule.partition("<")[0]] |= rule.methods

    for asked, answer in every_answer(app):
        method, path = asked.split(" ")
        allowed = declared[max((known for known in declared if path.startswith(known)), key=len)]
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
