"""Nobody but a declared proxy says who is at the door; spoken to a live server, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import AuditEvent, GuessCounter, LimitCounter
from tests.conftest import environment, running
from tests.live import LiveServer
from tests.rows import rows
from tests.surface.test_raw_sockets import CREDENTIALS, login, send

LENGTH = f"Content-Length: {len(CREDENTIALS)}"
SPOOFED = "203.0.113.7"
OURS, PROXIED = "127.0.0.1", "192.0.2.1"
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
def stage(sqlite_store, tmp_path_factory) -> Iterator:
    """Lend what starts a server that trusts so many hops, once for the file."""
    started = {}

    @contextmanager
    def lend(hops):
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

    def trusting(hops):
        if hops not in started:
            started[hops] = lend(hops)
            started[hops].at_hand = started[hops].__enter__()
        return started[hops].at_hand

    yield trusting
    for server in started.values():
        server.__exit__(None, None, None)


@pytest.fixture
def seen(stage):
    """Send a login with such headers; return the audited address and the counter's digest."""

    def seen(hops, *headers):
        server, app = stage(hops)
        with app.app_context():  # the lockout would answer sooner
            db.session.execute(sa.delete(GuessCounter))
            db.session.commit()
        before = {row.key: row.hits for row in rows(app, LimitCounter)}
        assert send(server, login(server, LENGTH, *headers)).status == 401
        counted = {row.key: row.hits for row in rows(app, LimitCounter)}
        [key] = [k for k in counted if "/address/" in k and counted[k] != before.get(k)]
        return rows(app, AuditEvent)[-1].address, key

    return seen


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize("hops", [0, 1])
def test_headers_that_no_proxy_of_ours_writes_change_nothing(seen, hops):
    alone = seen(hops)

    told = {header: seen(hops, header) for header in OTHER_HEADERS}

    assert alone[0] == OURS
    assert {header: found for header, found in told.items() if found != alone} == {}


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize(
    "headers",
    [
        [f"X-Forwarded-For: {SPOOFED}"],
        [f"X-Forwarded-For: {SPOOFED}, {PROXIED}"],
        [f"X-Forwarded-For: {SPOOFED}", f"X-Forwarded-For: {PROXIED}"],
        [f"x-forwarded-for: {SPOOFED}", f"X_FORWARDED_FOR: {SPOOFED}"],
        [f"X_Forwarded_For: {SPOOFED}"],
        [f"X-Forwarded_For: {SPOOFED}"],
    ],
)
def test_without_a_proxy_of_ours_nobody_can_say_who_they_are(seen, headers):
    assert seen(0, *headers) == seen(0)


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize(
    "headers",
    [
        [f"X-Forwarded-For: {SPOOFED}, {PROXIED}"],
        [f"X-Forwarded-For: {SPOOFED},,, ,{PROXIED}"],
        [f"X-Forwarded-For: {SPOOFED}", f"X-Forwarded-For: {PROXIED}"],
        [f"X-Forwarded-For: {SPOOFED}", f"x-forwarded-for: {SPOOFED}, {PROXIED}"],
        [f"X-Forwarded-For: {'1' * 5000}, {PROXIED}"],
        [f"X-Forwarded-For: {SPOOFED}, {PROXIED}:4711"],
    ],
)
def test_what_our_proxy_appended_counts_however_much_stands_before_it(seen, headers):
    address, key = seen(1, *headers)

    assert address == PROXIED
    assert key == seen(1, f"X-Forwarded-For: {PROXIED}")[1]


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["X-Forwarded-For:"],
        ["X-Forwarded-For: unknown"],
        [f"X-Forwarded-For: {SPOOFED}, "],
        [f"X-Forwarded-For: {SPOOFED}, [::1"],
    ],
)
def test_an_entry_that_is_no_address_leaves_the_peers(seen, headers):
    assert seen(1, *headers)[0] == OURS


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Forwarded_For", "x_forwarded-for"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_name_with_underscores_is_not_the_name_that_proxies_write(seen, name, order):
    pair = [f"{name}: {SPOOFED}", f"X-Forwarded-For: {PROXIED}"][::order]

    assert seen(1, *pair)[0] == PROXIED


@pytest.mark.requirement("RL-04")
def test_a_name_with_underscores_alone_says_nothing(seen):
    assert seen(1, f"X_Forwarded_For: {SPOOFED}") == seen(1)


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize("value", ["\xff", f"\xff, {PROXIED}"])
def test_nobody_hides_behind_bytes_that_the_server_cannot_read(stage, value):
    """The server passes over such a header whole, with what our proxy appended to it."""
    server, _ = stage(1)

    answer = send(server, login(server, LENGTH, f"X-Forwarded-For: {value}"))

    assert (answer.status, answer.code) == (400, "malformed_request")
