"""Only trusted proxies determine the client's IP address; raw requests to a live server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import AuditEvent, FailedAttemptCounter, LimitCounter
from tests.conftest import environment, running
from tests.live_server import LiveServer
from tests.rows import rows
from tests.surface.test_raw_sockets import CREDENTIALS, login, send

LENGTH = f"Content-Length: {len(CREDENTIALS)}"
SPOOFED = "203.0.113.7"
PEER, PROXIED = "127.0.0.1", "192.0.2.1"
OTHER_HEADERS = [
    f"Forwarded: for={SPOOFED};proto=https;by={SPOOFED}",
    f"X-Real-IP: {SPOOFED}",
    f"True-Client-IP: {SPOOFED}",
    f"CF-Connecting-IP: {SPOOFED}",
    f"X-Client-IP: {SPOOFED}",
    f"X-Cluster-Client-IP: {SPOOFED}",
    f"X-Forwarded: {SPOOFED}",
    f"X-Forwarded-Host: {SPOOFED}",
    "X-Forwarded-Proto: ftp",
    "X-Forwarded-Port: 1",
    "X-Forwarded-Prefix: /evil",
    f"X-Original-Forwarded-For: {SPOOFED}",
    f"Remote-Addr: {SPOOFED}",
    f"REMOTE_ADDR: {SPOOFED}",
    f"Client-IP: {SPOOFED}",
]


@pytest.fixture(scope="module")
def start_server(sqlite_store, tmp_path_factory) -> Iterator:
    """Return a function that starts a server with so many trusted hops, once per file."""
    started = {}

    @contextmanager
    def run_server(hops):
        with sqlite_store.fresh() as url:
            environ = environment(url) | {"GATEHOUSE_RATE_LIMITS": "on"}
            environ["GATEHOUSE_TRUSTED_HOPS"] = str(hops)
            del environ["GATEHOUSE_PUBLIC_URL"]
            server = LiveServer(environ, tmp_path_factory.mktemp("server") / "server.log")
            try:
                server.start()
                with running(server.environment) as app:
                    yield server, app
            finally:
                server.kill()

    def start(hops):
        if hops not in started:
            started[hops] = run_server(hops)
            started[hops].at_hand = started[hops].__enter__()
        return started[hops].at_hand

    yield start
    for server in started.values():
        server.__exit__(None, None, None)


@pytest.fixture
def observe(start_server):
    """Send a login with headers; return the audited IP address and the rate limit key."""

    def observe(hops, *headers):
        server, app = start_server(hops)
        with app.app_context():  # otherwise the lockout rejects the login
            db.session.execute(sa.delete(FailedAttemptCounter))
            db.session.commit()
        before = {row.key: row.hits for row in rows(app, LimitCounter)}
        assert send(server, login(server, LENGTH, *headers)).status == 401
        counted = {row.key: row.hits for row in rows(app, LimitCounter)}
        [key] = [k for k in counted if "/ip_address/" in k and counted[k] != before.get(k)]
        return rows(app, AuditEvent)[-1].ip_address, key

    return observe


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize("hops", [0, 1])
def test_other_forwarding_headers_are_ignored(observe, hops):
    without_header = observe(hops)

    observed = {header: observe(hops, header) for header in OTHER_HEADERS}

    assert without_header[0] == PEER
    assert {header: result for header, result in observed.items() if result != without_header} == {}


@pytest.mark.requirement("RL-04")
def test_forwarded_for_is_ignored_without_a_trusted_proxy(observe):
    header_lists = [
        [f"X-Forwarded-For: {SPOOFED}"],
        [f"X-Forwarded-For: {SPOOFED}, {PROXIED}"],
        [f"X-Forwarded-For: {SPOOFED}", f"X-Forwarded-For: {PROXIED}"],
        [f"x-forwarded-for: {SPOOFED}", f"X_FORWARDED_FOR: {SPOOFED}"],
        [f"X_Forwarded_For: {SPOOFED}"],
        [f"X-Forwarded_For: {SPOOFED}"],
    ]

    without_header = observe(0)
    for headers in header_lists:
        assert observe(0, *headers) == without_header, headers


@pytest.mark.requirement("RL-04")
def test_forwarded_for_entry_of_the_trusted_proxy_counts(observe):
    header_lists = [
        [f"X-Forwarded-For: {SPOOFED}, {PROXIED}"],
        [f"X-Forwarded-For: {SPOOFED},,, ,{PROXIED}"],
        [f"X-Forwarded-For: {SPOOFED}", f"X-Forwarded-For: {PROXIED}"],
        [f"X-Forwarded-For: {SPOOFED}", f"x-forwarded-for: {SPOOFED}, {PROXIED}"],
        [f"X-Forwarded-For: {'1' * 5000}, {PROXIED}"],
        [f"X-Forwarded-For: {SPOOFED}, {PROXIED}:4711"],
    ]

    expected = observe(1, f"X-Forwarded-For: {PROXIED}")
    assert expected[0] == PROXIED
    for headers in header_lists:
        assert observe(1, *headers) == expected, headers


@pytest.mark.requirement("RL-04")
def test_forwarded_for_entry_that_is_no_ip_address_is_ignored(observe):
    header_lists = [
        [],
        ["X-Forwarded-For:"],
        ["X-Forwarded-For: unknown"],
        [f"X-Forwarded-For: {SPOOFED}, "],
        [f"X-Forwarded-For: {SPOOFED}, [::1"],
    ]

    for headers in header_lists:
        assert observe(1, *headers)[0] == PEER, headers


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Forwarded_For", "x_forwarded-for"])
@pytest.mark.parametrize("order", [1, -1])
def test_forwarded_for_with_underscores_does_not_override_the_real_header(observe, name, order):
    pair = [f"{name}: {SPOOFED}", f"X-Forwarded-For: {PROXIED}"][::order]

    assert observe(1, *pair)[0] == PROXIED


@pytest.mark.requirement("RL-04")
def test_forwarded_for_with_underscores_is_ignored(observe):
    assert observe(1, f"X_Forwarded_For: {SPOOFED}") == observe(1)


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize("value", ["\xff", f"\xff, {PROXIED}"])
def test_forwarded_for_with_unreadable_bytes_is_rejected(start_server, value):
    """The server skips the whole header, with the entry that our proxy appended."""
    server, _ = start_server(1)

    response = send(server, login(server, LENGTH, f"X-Forwarded-For: {value}"))

    assert (response.status, response.code) == (400, "malformed_request")
