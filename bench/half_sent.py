"""Throughput of the gateway's route while many clients never finish sending a body."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

from bench.comparisons import Bench, measure_alternately
from bench.finding import Finding
from bench.workers import Measurement

NAME = "half-sent"
BODIES = 200
CONNECTION_LIFETIME = 8.0
"""Seconds until connections are replaced; the service closes them after ten."""
HEAD = "POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HALF_SENT_REQUEST = f'{HEAD}Content-Length: 1000\r\n\r\n{{"identifier": '.encode()
SUBJECT = f"GET /gateway/verify beside {BODIES} half-sent bodies: rate, to a bare Flask route"
MIN_RATIO = 0.7
"""Threshold of the same comparison without half-sent bodies."""


def study(bench: Bench, rounds: int) -> list[Finding]:
    """Compare the gateway's route, while the bodies are open, with the bare route, alternately."""

    def beside() -> Measurement:
        with _open_bodies(bench.environment.service_port):
            return bench.verify_warm()

    pairs = measure_alternately(bench.bare, beside, rounds)
    ratios = [verified.rate / bare.rate for bare, verified in pairs]
    slowest = max(verified.p99 for _, verified in pairs)
    about = f"rounds {min(ratios):.2f} to {max(ratios):.2f}; p99 {slowest:.1f} ms at most"
    return [Finding(NAME, SUBJECT, median(ratios), "times", minimum=MIN_RATIO, details=about)]


@contextmanager
def _open_bodies(port: int) -> Iterator[None]:
    """Keep half-sent bodies open during the context."""
    stop, started = threading.Event(), threading.Event()
    keeper = threading.Thread(target=_keep_open, args=(port, started, stop))
    keeper.start()
    try:
        if not started.wait(CONNECTION_LIFETIME):
            raise RuntimeError(f"{BODIES} bodies could not be started")
        yield
        if not keeper.is_alive():
            raise RuntimeError("the bodies were not kept open, so nothing was measured")
    finally:
        stop.set()
        keeper.join()


def _keep_open(port: int, started: threading.Event, stop: threading.Event) -> None:
    while not stop.is_set():
        with ExitStack() as bodies:
            for _ in range(BODIES):
                body = bodies.enter_context(socket.create_connection(("127.0.0.1", port)))
                body.sendall(HALF_SENT_REQUEST)
            started.set()
            stop.wait(CONNECTION_LIFETIME)
