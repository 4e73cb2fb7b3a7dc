"""What those who are signed in notice of a flood of logins."""

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
from bench.load import BEARER, Caller, Load, send

NAME = "flood"
CLIENTS = 16
SHARE = 0.5
"""Of the rate at which the route is saturated."""
CONNECTIONS = 64
"""Of the paced client: it rests for whole milliseconds, so few connections could not be paced."""
SUBJECT = "GET /gateway/verify"
WORSE, SLOWEST = 4.0, 50.0


class Flood:
    """Clients that log in with the right passwords of many people, again and again.

    They come from many networks, so that the queue's fairness between networks stops nobody.
    """

    def __init__(self, bench: Bench) -> None:
        self.port, self.bodies = bench.stage.service, cycle(bench.people.logins())
        self.answers: Counter[int] = Counter()

    @contextmanager
    def rising(self) -> Iterator[None]:
        """Flood the service meanwhile."""
        over = threading.Event()
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._log_in, over) for _ in range(CLIENTS)]
            try:
                over.wait(WARM_UP)  # until the hash threads are at work
                yield
            finally:
                over.set()
        self.answers.update(status for client in clients for status in client.result())

    def told(self) -> str:
        """Say how the logins were answered; a flood that was stopped elsewhere is none."""
        if unexpected := self.answers.keys() - {200, 503}:
            raise RuntimeError(f"logins of the flood were answered {sorted(unexpected)}")
        served, refused = self.answers[200], self.answers[503]
        return f"{CLIENTS} clients: {served} logins were served, {refused} refused (503)"

    def _log_in(self, over: threading.Event) -> list[int]:
        """Return the status of each answer, until it is over."""
        caller, statuses = Caller(self.port, "/auth/login"), []
        while not over.is_set():
            statuses.append(caller.post(next(self.bodies)).status)
        return statuses


def study(bench: Bench, rounds: int) -> list[Finding]:
    """Measure at half of the saturated rate, with the flood and without it, in turn.

    wrk rests between requests; when an answer is late, the requests behind it are sent later, so
    the rates that were reached stand beside the percentiles. Every answer was a 200.
    """
    if not shutil.which("wrk"):
        print(f"{NAME} needs wrk (make system-test-tools) and was left out.", flush=True)
        return []
    load, saturated = _paced(bench)
    flood = Flood(bench)

    def calm() -> Measurement:
        return send(load, bench.seconds, CONNECTIONS)

    def flooded() -> Measurement:
        with flood.rising():
            return calm()

    pairs = in_turn(calm, flooded, rounds)
    return _findings(pairs, f"saturated {saturated:,.0f}", flood.told())


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
