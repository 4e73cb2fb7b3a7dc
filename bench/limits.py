"""Cost of the rate limits and of the lockout in a login and in a refresh."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from statistics import median
from time import perf_counter

import psycopg
from redis import Redis

from bench.comparisons import Bench, measure_alternately
from bench.finding import Finding
from bench.load import LOGIN, HttpClient, Load, send
from tests.servers import valkey_server

NAME = "limits"
MAX_LOGIN_OVERHEAD, MAX_REFRESH_OVERHEAD = 3.0, 20.0
"""Allowed overhead with Valkey, in percent."""
CALLS = 300
"""Calls per round."""
ALL_CALLS = 5000
"""Highest number of calls: the limit over all IP addresses is 6000 logins a minute."""
UNPROCESSABLE = 422
UNLIMITED, VALKEY, DATABASE = "none", "Valkey", "db://"


def study(bench: Bench, rounds: int) -> list[Finding]:
    """Compare services that differ only in their rate limits, alternately.

    Refreshes are compared by rate. Logins are not, because their hashes vary by more than the
    limits cost: instead a login without a password is timed, which is counted and then rejected
    before any hash. The lockout, which is never off, is timed by calling it directly.
    """
    with _services(bench) as limited:
        refreshes = [_refresh_overhead(bench, name, port, rounds) for name, port in limited.items()]
        charged = _times({UNLIMITED: bench.environment.service_port, **limited}, rounds)
    logins = bench.users.logins()
    login = send(
        Load(bench.environment.service_port, "/auth/login", LOGIN, logins), bench.seconds, 1
    ).p50
    lockout = bench.users.time_lockout(CALLS)
    costs = [_login_overhead(name, charged, lockout, login) for name in limited]
    return [*costs, *refreshes]


@contextmanager
def _services(bench: Bench) -> Iterator[dict[str, int]]:
    """Start services with rate limits; yield their ports by the store of the counters."""
    start_service = partial(bench.environment.start_service, GATEHOUSE_RATE_LIMITS="on")
    with (
        valkey_server() as url,
        start_service(REDIS_URL=url) as valkey,
        start_service() as database,
    ):
        yield {VALKEY: valkey, DATABASE: database}
        _require_counts(url, bench.environment.dsn)


def _require_counts(redis_url: str, dsn: str) -> None:
    """Raise if a store has counted nothing, in which case nothing was measured."""
    with Redis.from_url(redis_url) as valkey, psycopg.connect(dsn) as database:
        rows = database.execute("SELECT 1 FROM limit_counters LIMIT 1").fetchall()
        if not rows or not valkey.dbsize():
            raise RuntimeError("a store of the limits has counted nothing")


def _refresh_overhead(bench: Bench, name: str, port: int, rounds: int) -> Finding:
    pairs = measure_alternately(bench.refresh, partial(bench.refresh_at, port), rounds)
    costs = [without.rate / limited.rate - 1 for without, limited in pairs]
    low, high = 100 * min(costs), 100 * max(costs)
    about = f"rates in turn; rounds {low:.1f} to {high:.1f} %"
    bar = MAX_REFRESH_OVERHEAD if name == VALKEY else None
    return _cost(f"limit ({name}), of a refresh", median(costs), bar, about)


def _login_overhead(name: str, charged: dict[str, float], lockout: float, login: float) -> Finding:
    limits = charged[name] - charged[UNLIMITED]
    about = f"calls timed: {limits:.2f} ms + {lockout:.2f} ms of {login:.0f} ms, one at a time"
    bar = MAX_LOGIN_OVERHEAD if name == VALKEY else None
    return _cost(f"limits ({name}) + lockout, of a login", (limits + lockout) / login, bar, about)


def _cost(subject: str, ratio: float, maximum: float | None, details: str) -> Finding:
    return Finding(NAME, f"cost of {subject}", 100 * ratio, "%", maximum, details=details)


def _times(ports: Mapping[str, int], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of a login that is rejected as invalid, by service."""
    callers = {name: HttpClient(port, "/auth/login") for name, port in ports.items()}
    calls = min(CALLS * rounds, ALL_CALLS)
    times: dict[str, list[float]] = {name: [] for name in callers}
    for _ in range(calls):
        for name, caller in callers.items():
            times[name].append(_time(caller))
    return {name: median(took) for name, took in times.items()}


def _time(caller: HttpClient) -> float:
    began = perf_counter()
    caller.require(UNPROCESSABLE, caller.post("{}"))
    return 1000 * (perf_counter() - began)
