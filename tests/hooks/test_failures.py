"""Blocking hooks that are down, slow or wrong: what they declare is decided, and nothing waits."""

from __future__ import annotations

import json
import socket
import time

import pytest
from werkzeug import Response

from gatehouse.hooks import kinds, stored_secrets
from gatehouse.net import circuit_breaker
from models import Hook
from tests.client import PASSWORD
from tests.hooks.receiver import ALLOW, DENY
from tests.loopback_server import OK, loopback_server, respond_with
from tests.rows import audited, rows
from tests.servers import free_port
from tests.tokens.forgery import case

ADA = "ada@example.com"
ALLOWED, DENIED = (200, "authenticated"), (403, "login_denied")
INVALID = {
    "empty": b"",
    "no JSON": b"<html>",
    "not UTF-8": b'{"decision": "\xff"}',
    "a list": b'["allow"]',
    "a string": b'"allow"',
    "no decision": b"{}",
    "another decision": b'{"decision": "maybe"}',
    "true": b'{"decision": true}',
    "twice": b'{"decision": "deny", "decision": "allow"}',
    "an unknown member": b'{"decision": "allow", "roles": ["admin"]}',
    "a code of an allowed login": b'{"decision": "allow", "code": "x"}',
    "claims": b'{"claims": {}}',
    "deep": b"[" * 5000,
    "too large": json.dumps(ALLOW | {"x": "x" * 20_000}).encode(),
}


REJECTIONS = (
    *(Response("blocked", 403), Response("?", 500), Response("<html>")),
    *(Response("x" * 20_000, 403), Response("x", 403, {"Content-Encoding": "gzip"})),
)


def outcome(response):
    return response.status_code, response.json.get("code", response.json.get("status"))


@pytest.fixture
def log_in(client, make_user):
    make_user(email=ADA)
    return lambda: client.post("/auth/login", {"identifier": ADA, "password": PASSWORD})


@pytest.fixture
def unbroken(monkeypatch):
    """The circuit never opens, so that each login asks."""
    monkeypatch.setattr(circuit_breaker, "MAX_FAILURES", 1000)


@pytest.fixture
def resolve_names(monkeypatch):
    def set_addresses(host, ips):
        real = socket.getaddrinfo

        def resolve(name, port, *args, **more):
            if name != host:
                return real(name, port, *args, **more)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)

    return set_addresses


def failures(app):
    return [(one.details["reason"], one.details["decision"]) for one in audited(app, "hook.failed")]


@pytest.mark.parametrize(("on_failure", "expected"), [("allow", ALLOWED), ("deny", DENIED)])
def test_hook_that_answers_something_else_has_failed(
    app, log_in, receiver, create_hook, patience, unbroken, on_failure, expected
):
    create_hook("before_login", on_failure)

    for name, body in INVALID.items():
        receiver.answer = Response(body, content_type="application/json")
        with case(name=name):
            response = log_in()
            assert outcome(response) == expected
            assert "reason" not in response.json
    reasons = {"too large": "unreachable"}
    assert failures(app) == [(reasons.get(name, "invalid_answer"), on_failure) for name in INVALID]
    assert audited(app, "hook.denied") == []


@pytest.mark.requirement("RP-08")
def test_hook_whose_status_is_not_200_has_failed_and_redirects_are_not_followed(
    app, log_in, receiver, create_hook, patience, unbroken
):
    create_hook("before_login", "allow")

    with loopback_server(respond_with(OK)) as internal:
        for status in (201, 204, 302, 307, 308, 400, 401, 500, 503):
            location = {"Location": f"http://127.0.0.1:{internal.port}/"}
            receiver.answer = Response(json.dumps(DENY), status, location)
            with case(status=status):
                assert outcome(log_in()) == ALLOWED
                assert failures(app)[-1] == (f"status_{status}", "allow")

        assert internal.connections == 0
    assert len(receiver.received) == 9


def test_denial_stands_although_its_code_or_message_is_not_valid(
    app, log_in, receiver, create_hook, patience, unbroken
):
    """It must not become an admission because its hook allows a login when it fails."""
    create_hook("before_login", "allow")

    for more in ({"code": "Not A Code"}, {"message": "x" * 201}, {"message": "a\u0000b"}, {"x": 1}):
        receiver.answer = {"decision": "deny", **more}
        with case(more=more):
            response = log_in()
            assert outcome(response) == DENIED
            assert response.json["detail"].startswith("This sign-in is not allowed here")
            assert "reason" not in response.json


def test_message_of_a_denial_is_text_only(log_in, receiver, create_hook, patience):
    create_hook("before_login")
    receiver.answer = DENY | {"message": "<script>alert(1)</script>"}

    response = log_in()

    assert response.json["detail"] == "<script>alert(1)</script>"
    assert response.mimetype == "application/problem+json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("on_failure", "expected"), [("allow", ALLOWED), ("deny", DENIED)])
def test_hook_that_is_down_decides_what_it_declares(app, log_in, create_hook, on_failure, expected):
    with_nothing = f"https://localhost:{free_port()}/"
    create_hook("before_login", on_failure, url=with_nothing)

    response = log_in()

    assert outcome(response) == expected
    assert [decision for _, decision in failures(app)] == [on_failure]
    if expected == DENIED:
        assert "few minutes" in response.json["next"]


@pytest.mark.requirement("RP-08")
def test_hook_with_an_internal_address_is_never_reached(app, log_in, create_hook, resolve_names):
    resolve_names("hooks.example.com", ["127.0.0.1"])
    with loopback_server(respond_with(OK)) as internal:
        create_hook("before_login", "allow", url=f"https://hooks.example.com:{internal.port}/")

        assert outcome(log_in()) == ALLOWED

        assert internal.connections == 0
    assert failures(app) == [("url_not_allowed", "allow")]


def test_slow_hook_is_waited_for_no_longer_than_its_time(app, log_in, receiver, create_hook):
    """The receiver answers after the test only: a login that waited for it would never return."""
    create_hook("before_login", "allow")
    receiver.answer = receiver.wait

    started = time.monotonic()
    response = log_in()

    assert outcome(response) == ALLOWED
    assert not receiver.released.is_set()
    assert time.monotonic() - started < 30  # 0.3 s, on a machine that is very busy
    assert failures(app) == [("unreachable", "allow")]


def test_slow_hooks_of_a_kind_share_the_time(app, log_in, receiver, create_hook, monkeypatch):
    """With the first two the time of all is over: the third is not asked."""
    monkeypatch.setattr(kinds, "MILLISECOND", 0.01)
    for name in ("a", "b", "c"):
        create_hook("before_login", "allow", name=name, timeout_ms=150)
    receiver.answer = receiver.wait

    assert outcome(log_in()) == ALLOWED

    assert [reason for reason, _ in failures(app)] == ["unreachable", "unreachable", "no_time_left"]


def test_hook_that_keeps_failing_is_not_asked_for_some_seconds(
    app, log_in, receiver, create_hook, monkeypatch
):
    create_hook("before_login", "allow")
    receiver.answer = receiver.wait
    monkeypatch.setattr(circuit_breaker, "PAUSE", 600.0)

    for _ in range(5):
        assert outcome(log_in()) == ALLOWED

    assert [reason for reason, _ in failures(app)] == ["unreachable"] * 3 + ["circuit_open"] * 2
    monkeypatch.setattr(circuit_breaker, "PAUSE", 0.0)
    log_in()
    assert failures(app)[-1][0] == "circuit_open"  # the pause that has begun lasts


def test_client_whose_requests_the_receiver_rejects_opens_no_circuit(
    app, client, make_user, log_in, receiver, create_hook, patience
):
    """A user agent that a firewall before the receiver rejects must not keep all others out."""
    create_hook("before_login", "deny")
    eve = make_user(email="eve@example.com")
    for answer in REJECTIONS:
        receiver.answer = answer
        for _ in range(circuit_breaker.MAX_FAILURES):
            rejected = client.post("/auth/login", {"identifier": eve.email, "password": PASSWORD})
            assert outcome(rejected) == DENIED
        receiver.answer = ALLOW
        assert outcome(log_in()) == ALLOWED
    assert "circuit_open" not in [reason for reason, _ in failures(app)]


def test_circuit_lets_one_request_through_after_its_pause(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("gatehouse.core.clock.monotonic", lambda: now[0])
    breaker = circuit_breaker.CircuitBreaker()

    for _ in range(circuit_breaker.MAX_FAILURES):
        assert breaker.admit()
        breaker.record(has_answered=False)
    assert not breaker.admit()
    now[0] += circuit_breaker.PAUSE
    assert [breaker.admit() for _ in range(3)] == [True, False, False]
    breaker.record(has_answered=False)
    assert not breaker.admit()
    now[0] += circuit_breaker.PAUSE
    assert breaker.admit()
    breaker.record(has_answered=True)
    assert [breaker.admit() for _ in range(3)] == [True] * 3


def test_changed_hook_is_asked_again_at_once(
    app, log_in, receiver, create_hook, sign_in_as, monkeypatch
):
    admin = sign_in_as("admin", email="root@example.com")
    create_hook("before_login", "allow")
    receiver.answer = receiver.wait
    monkeypatch.setattr(circuit_breaker, "PAUSE", 600.0)
    for _ in range(3):
        log_in()
    [row] = rows(app, Hook)
    receiver.answer = DENY
    monkeypatch.setattr(kinds, "MILLISECOND", 0.1)
    assert outcome(log_in()) == ALLOWED

    assert admin.patch(f"/admin/hooks/{row.id}", {"timeout_ms": 250}).status_code == 200
    assert outcome(log_in()) == DENIED
    assert admin.patch(f"/admin/hooks/{row.id}", {"enabled": False}).status_code == 200
    assert outcome(log_in()) == ALLOWED


def test_hook_whose_secret_cannot_be_decrypted_has_failed(
    app, log_in, create_hook, monkeypatch, patience
):
    create_hook("before_login", "deny")
    monkeypatch.setattr(stored_secrets, "_associated_data", lambda hook_id: "of another row")

    assert outcome(log_in()) == DENIED
    assert failures(app) == [("secret_unreadable", "deny")]


def test_failed_hook_of_a_registration_is_recorded_once(app, client, create_hook):
    create_hook("before_registration", "allow", url=f"https://localhost:{free_port()}/")

    response = client.register("bob@example.com")

    assert response.status_code == 202
    assert [decision for _, decision in failures(app)] == ["allow"]
