"""Rate limits while Redis is unavailable: never open, and counted in the database."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import sqlalchemy as sa
from limits import parse

from gatehouse.database.session import db, write_transaction
from gatehouse.settings.route_limits import ROUTE_LIMITS
from gatehouse.web import rate_limit_storage
from gatehouse.web.rate_limit_storage import FallbackCounters
from models import LimitCounter
from tests.conftest import running
from tests.parallel import run_in_parallel
from tests.rows import rows
from tests.web.rate_limit_servers import running_server, stoppable_valkey
from tests.web.rate_limited_requests import new_login

LOGINS = parse(ROUTE_LIMITS["login"].ip_address).amount
DOCUMENTED_MAXIMUM = 2 * LOGINS
"""The maximum in decision 0015 when Redis fails in the middle of a window."""


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


@pytest.mark.requirement("CF-03")
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


@pytest.mark.requirement("CF-03")
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
        tries, original = [], store.redis.add
        monkeypatch.setattr(store.redis, "add", lambda *a: tries.append(a) or original(*a))
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
