"""What those who are signed in notice of a flood of logins."""

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

from bench.comparisons import WARM_UP, Bench, in_turn, middle
from bench.finding import Finding
from bench.lanes import Measurement
from bench.load import BEARER, Answer, Caller, Load, send

NAME = "flood"
CLIENTS = 16
MORE = 80
"""Clients that all places of the queues do not hold: 24 wait in each of two workers."""
IMPATIENCE = 1.0
"""Seconds after which a refused client tries again; `Retry-After` asks for more."""
SHARE = 0.5
"""Of the rate at which the route is saturated."""
CONNECTIONS = 64
"""Of the paced client: it rests for whole milliseconds, so few connections could not be paced."""
SUBJECT = "GET /gateway/verify"
WORSE, SLOWEST = 4.0, 50.0
SERVED, BUSY = "served", "service_busy"


class Flood:
    """Clients that log in with the right passwords of many people, again and again.

    They come from many networks, so that the queue's fairness between networks stops nobody.
    """

    def __init__(self, bench: Bench, clients: int = CLIENTS) -> None:
        self.port, self.bodies = bench.stage.service, cycle(bench.people.logins())
        self.clients = clients
        self.answers: Counter[str] = Counter()

    @contextmanager
    def rising(self) -> Iterator[None]:
        """Flood the service meanwhile."""
        over = threading.Event()
        with ThreadPoolExecutor(self.clients) as pool:
            clients = [pool.submit(self._log_in, over) for _ in range(self.clients)]
            try:
                over.wait(WARM_UP)  # until the hash threads are at work
                yield
            finally:
                over.set()
        self.answers.update(outcome for client in clients for outcome in client.result())

    def told(self) -> str:
        """Say how the logins were answered; a flood that was stopped elsewhere is none."""
        if unexpected := self.answers.keys() - {SERVED, BUSY}:
            raise RuntimeError(f"logins of the flood were answered {sorted(unexpected)}")
        served, refused = self.answers[SERVED], self.answers[BUSY]
        return f"{self.clients} clients: {served} logins were served, {refused} refused (503)"

    def _log_in(self, over: threading.Event) -> list[str]:
        """Return what became of each attempt, until it is over."""
        caller, outcomes = Caller(self.port, "/auth/login"), []
        while not over.is_set():
            outcomes.append(outcome(caller.post(next(self.bodies))))
            if outcomes[-1] == BUSY:
                over.wait(IMPATIENCE)
        return outcomes


def outcome(answer: Answer) -> str:
    """Name what an answer means: SERVED, BUSY, which says when to come again, or anything else."""
    if answer.status == 200:
        return SERVED
    problem = json.loads(answer.content)
    waits = any(name.lower() == "retry-after" for name, _ in answer.headers)
    return BUSY if waits and problem["code"] == BUSY else f"{answer.status} {problem['code']}"


def study(bench: Bench, rounds: int) -> list[Finding]:
    """Measure at half of the saturated rate, with the flood and without it, in turn.

    wrk rests between requests; when an answer is late, the requests behind it are sent later, so
    the rates that were reached stand beside the percentiles. Every answer was a 200. Then the same
    pace once more, while more clients log in than the queues of the workers hold.
    """
    if not shutil.which("wrk"):
        print(f"{NAME} needs wrk (make system-test-tools) and was left out.", flush=True)
        return []
    load, saturated = _paced(bench)
    flood, overload = Flood(bench), Flood(bench, MORE)

    def calm() -> Measurement:
        return send(load, bench.seconds, CONNECTIONS)

    def during(flood: Flood) -> Measurement:
        with flood.rising():
            return calm()

    pairs = in_turn(calm, partial(during, flood), rounds)
    found = _findings(pairs, f"saturated {saturated:,.0f}", flood.told())
    overloaded = middle([during(overload) for _ in range(rounds)])
    return [*found, _overloaded(overloaded, overload.told())]


def _paced(bench: Bench) -> tuple[Load, float]:
    """Return a load of half the saturated rate, and that rate; the first guess is corrected."""
    load = Load(bench.stage.service, "/gateway/verify", BEARER, bench.people.access_tokens())
    send(load, WARM_UP)
    saturated = send(load, bench.seconds).rate
    turn = 1000 * CONNECTIONS / (SHARE * saturated)  # of one connection, in milliseconds
    rest = turn - 1
    for _ in range(2):
        reached = send(replace(load, rest=rest), WARM_UP, CONNECTIONS).rate
        rest = max(0.1, rest + turn - 1000 * CONNECTIONS / reached)
    return replace(load, rest=rest), saturated


def _findings(
    pairs: list[tuple[Measurement, Measurement]], saturated: str, logins: str
) -> list[Finding]:
    found = partial(Finding, NAME)
    calm, flooded = (middle(list(side)) for side in zip(*pairs, strict=True))
    worse = [after.p99 / before.p99 for before, after in pairs]
    kept = median(after.rate / before.rate for before, after in pairs)
    rates = f"{flooded.rate:,.0f} a second, all answered 200; {saturated}"
    without = f"rounds {min(worse):.2f} to {max(worse):.2f}; without {calm.p99:.2f} ms"
    both = f"{flooded.rate:,.0f} of {calm.rate:,.0f} a second; {logins}"
    return [
        found(f"{SUBJECT} in a flood of logins: p99", flooded.p99, "ms", SLOWEST, about=rates),
        found(
            "p99, to the same pace without the flood", median(worse), "times", WORSE, about=without
        ),
        found("rate, to the same pace without the flood", kept, "times", about=both),
    ]


def _overloaded(found: Measurement, logins: str) -> Finding:
    about = f"{found.rate:,.0f} a second, all answered 200; {logins}"
    return Finding(NAME, f"{SUBJECT} when the queues are full: p99", found.p99, "ms", about=about)
