"""What the limits of the routes and the lockout add to a login and to a refresh."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from statistics import median
from time import perf_counter

import psycopg
from redis import Redis

from bench.comparisons import Bench, in_turn
from bench.finding import Finding
from bench.load import LOGIN, Caller, Load, send
from tests.stores import valkey_server

NAME = "limits"
OF_A_LOGIN, OF_A_REFRESH = 3.0, 20.0
"""Percent that they may cost with Valkey."""
CALLS = 300
"""In each round."""
ALL_CALLS = 5000
"""At most: all addresses together may try to log in 6000 times in a minute."""
UNREADABLE = 422
UNLIMITED, VALKEY, DATABASE = "none", "Valkey", "db://"


def study(bench: Bench, rounds: int) -> list[Finding]:
    """Compare services that differ in their limits only, in turn.

    Refreshes are compared as rates. Logins are not: their hashes vary by more than the limits cost.
    Instead a login without a password, which is charged and then refused before any hash, is timed
    at all of them; and the lockout, which is never off, is timed where it is called.
    """
    with _services(bench) as limited:
        refreshes = [_of_a_refresh(bench, name, port, rounds) for name, port in limited.items()]
        charged = _times({UNLIMITED: bench.stage.service, **limited}, rounds)
    logins = bench.people.logins()
    login = send(Load(bench.stage.service, "/auth/login", LOGIN, logins), bench.seconds, 1).p50
    lockout = bench.people.time_lockout(CALLS)
    costs = [_of_a_login(name, charged, lockout, login) for name in limited]
    return [*costs, *refreshes]


@contextmanager
def _services(bench: Bench) -> Iterator[dict[str, int]]:
    """Lend the ports of services with limits, by where these are counted."""
    another = partial(bench.stage.another, GATEHOUSE_RATE_LIMITS="on")
    with valkey_server() as url, another(REDIS_URL=url) as valkey, another() as database:
        yield {VALKEY: valkey, DATABASE: database}
        _require_counts(url, bench.stage.dsn)


def _require_counts(redis_url: str, dsn: str) -> None:
    """Refuse a run in which a store has counted nothing; that measures nothing."""
    with Redis.from_url(redis_url) as valkey, psycopg.connect(dsn) as database:
        rows = database.execute("SELECT 1 FROM limit_counters LIMIT 1").fetchall()
        if not rows or not valkey.dbsize():
            raise RuntimeError("a store of the limits has counted nothing")


def _of_a_refresh(bench: Bench, name: str, port: int, rounds: int) -> Finding:
    pairs = in_turn(bench.refresh, partial(bench.refresh_at, port), rounds)
    costs = [without.rate / limited.rate - 1 for without, limited in pairs]
    least, most = 100 * min(costs), 100 * max(costs)
    about = f"rates in turn; rounds {least:.1f} to {most:.1f} %"
    bar = OF_A_REFRESH if name == VALKEY else None
    return _cost(f"limit ({name}), of a refresh", median(costs), bar, about)


def _of_a_login(name: str, charged: dict[str, float], lockout: float, login: float) -> Finding:
    limits = charged[name] - charged[UNLIMITED]
    about = f"calls timed: {limits:.2f} ms + {lockout:.2f} ms of {login:.0f} ms, one at a time"
    most = OF_A_LOGIN if name == VALKEY else None
    return _cost(f"limits ({name}) + lockout, of a login", (limits + lockout) / login, most, about)


def _cost(subject: str, part: float, most: float | None, about: str) -> Finding:
    return Finding(NAME, f"cost of {subject}", 100 * part, "%", most, about=about)


def _times(ports: Mapping[str, int], rounds: int) -> dict[str, float]:
    """Return the milliseconds of a login that is refused unread, at each service."""
    callers = {name: Caller(port, "/auth/login") for name, port in ports.items()}
    calls = min(CALLS * rounds, ALL_CALLS)
    times: dict[str, list[float]] = {name: [] for name in callers}
    for _ in range(calls):
        for name, caller in callers.items():
            times[name].append(_time(caller))
    return {name: median(took) for name, took in times.items()}


def _time(caller: Caller) -> float:
    began = perf_counter()
    caller.require(UNREADABLE, caller.post("{}"))
    return 1000 * (perf_counter() - began)
