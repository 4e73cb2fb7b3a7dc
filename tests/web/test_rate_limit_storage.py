"""Rate limit storage: exact with many processes and threads, one round trip for each hit."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial

import pytest
import redis
import time_machine
from limits import parse
from limits.strategies import FixedWindowRateLimiter

from gatehouse.settings.route_limits import ROUTE_LIMITS
from gatehouse.web.rate_limit_storage import DatabaseCounters, FallbackCounters
from gatehouse.web.rate_limits import is_storage_reachable
from tests.conftest import running
from tests.parallel import run_in_parallel
from tests.statements import statements_of
from tests.web.rate_limit_servers import running_server

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


# Checks


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
