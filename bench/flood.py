"""Latency of authenticated requests during a flood of logins."""

import json
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import cycle
from statistics import median

from bench.comparisons import WARM_UP, Bench, measure_alternately, median_measurement
from bench.finding import Finding
from bench.load import BEARER, HttpClient, HttpResponse, Load, send
from bench.workers import Measurement

NAME = "flood"
CLIENTS = 16
OVERLOAD_CLIENTS = 80
"""More clients than fit in the queues of two workers, where 24 each can wait."""
RETRY_DELAY = 1.0
"""Seconds after which a rejected client tries again; `Retry-After` asks for more."""
PACED_SHARE = 0.5
"""Share of the rate at which the route is saturated."""
CONNECTIONS = 64
"""Connections of the paced client, which pauses whole milliseconds: few could not be paced."""
SUBJECT = "GET /gateway/verify"
MAX_SLOWDOWN, MAX_P99_MS = 4.0, 50.0
SERVED, BUSY = "served", "service_busy"


class Flood:
    """Clients that log in over and over with the correct passwords of many users.

    They come from many networks, so that the fair queue does not favour some of them.
    """

    def __init__(self, bench: Bench, clients: int = CLIENTS) -> None:
        self.port, self.bodies = bench.environment.service_port, cycle(bench.users.logins())
        self.clients = clients
        self.answers: Counter[str] = Counter()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Flood the service during the context."""
        stop = threading.Event()
        with ThreadPoolExecutor(self.clients) as pool:
            clients = [pool.submit(self._log_in, stop) for _ in range(self.clients)]
            try:
                stop.wait(WARM_UP)  # until the hash threads are at work
                yield
            finally:
                stop.set()
        self.answers.update(outcome for client in clients for outcome in client.result())

    def describe(self) -> str:
        """Return the counts of responses; raise if there were others than success and 503."""
        if unexpected := self.answers.keys() - {SERVED, BUSY}:
            raise RuntimeError(f"unexpected responses to the flood: {sorted(unexpected)}")
        served, rejected = self.answers[SERVED], self.answers[BUSY]
        return f"{self.clients} clients: {served} logins were served, {rejected} rejected (503)"

    def _log_in(self, stop: threading.Event) -> list[str]:
        """Log in until stopped; return the outcome of each attempt."""
        caller, outcomes = HttpClient(self.port, "/auth/login"), []
        while not stop.is_set():
            outcomes.append(classify(caller.post(next(self.bodies))))
            if outcomes[-1] == BUSY:
                stop.wait(RETRY_DELAY)
        return outcomes


def classify(response: HttpResponse) -> str:
    """Return SERVED, BUSY (503 with Retry-After), or status and code of any other response."""
    if response.status == 200:
        return SERVED
    problem = json.loads(response.content)
    has_retry_after = any(name.lower() == "retry-after" for name, _ in response.headers)
    return (
        BUSY
        if has_retry_after and problem["code"] == BUSY
        else f"{response.status} {problem['code']}"
    )


def study(bench: Bench, rounds: int) -> list[Finding]:
    """Measure at half of the saturated rate, alternately with and without the flood.

    wrk pauses between requests, and a late response delays the requests behind it, so the rates
    are reported beside the percentiles. Every response must be 200. Then measure at the same pace
    while more clients log in than fit in the queues of the workers.
    """
    if not shutil.which("wrk"):
        print(f"{NAME} needs wrk (make system-test-tools) and was skipped.", flush=True)
        return []
    load, saturated = _paced(bench)
    flood, overload = Flood(bench), Flood(bench, OVERLOAD_CLIENTS)

    def calm() -> Measurement:
        return send(load, bench.seconds, CONNECTIONS)

    def during(flood: Flood) -> Measurement:
        with flood.running():
            return calm()

    pairs = measure_alternately(calm, partial(during, flood), rounds)
    found = _findings(pairs, f"saturated {saturated:,.0f}", flood.describe())
    overloaded = median_measurement([during(overload) for _ in range(rounds)])
    return [*found, _overloaded(overloaded, overload.describe())]


def _paced(bench: Bench) -> tuple[Load, float]:
    """Return a load of half the saturated rate, with its pause calibrated twice, and that rate."""
    load = Load(
        bench.environment.service_port, "/gateway/verify", BEARER, bench.users.access_tokens()
    )
    send(load, WARM_UP)
    saturated = send(load, bench.seconds).rate
    cycle_time = 1000 * CONNECTIONS / (PACED_SHARE * saturated)  # milliseconds
    pause = cycle_time - 1
    for _ in range(2):
        reached = send(replace(load, delay=pause), WARM_UP, CONNECTIONS).rate
        pause = max(0.1, pause + cycle_time - 1000 * CONNECTIONS / reached)
    return replace(load, delay=pause), saturated


def _findings(
    pairs: list[tuple[Measurement, Measurement]], saturated: str, logins: str
) -> list[Finding]:
    found = partial(Finding, NAME)
    calm, flooded = (median_measurement(list(side)) for side in zip(*pairs, strict=True))
    slowdowns = [after.p99 / before.p99 for before, after in pairs]
    rate_ratio = median(after.rate / before.rate for before, after in pairs)
    rates = f"{flooded.rate:,.0f} a second, all 200; {saturated}"
    without = f"rounds {min(slowdowns):.2f} to {max(slowdowns):.2f}; without {calm.p99:.2f} ms"
    both = f"{flooded.rate:,.0f} of {calm.rate:,.0f} a second; {logins}"
    return [
        found(f"{SUBJECT} in a flood of logins: p99", flooded.p99, "ms", MAX_P99_MS, details=rates),
        found(
            "p99, to the same pace without the flood",
            median(slowdowns),
            "times",
            MAX_SLOWDOWN,
            details=without,
        ),
        found("rate, to the same pace without the flood", rate_ratio, "times", details=both),
    ]


def _overloaded(found: Measurement, logins: str) -> Finding:
    about = f"{found.rate:,.0f} a second, all 200; {logins}"
    return Finding(NAME, f"{SUBJECT} when the queues are full: p99", found.p99, "ms", details=about)
