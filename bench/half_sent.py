"""What a gateway notices of those who begin to send bodies and never end."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

from bench.comparisons import Bench, in_turn
from bench.finding import Finding
from bench.lanes import Measurement

NAME = "half-sent"
BODIES = 200
LIFE = 8.0
"""Seconds until they are given up for new ones; the service would after ten."""
HEAD = "POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HALF = f'{HEAD}Content-Length: 1000\r\n\r\n{{"identifier": '.encode()
SUBJECT = f"GET /gateway/verify beside {BODIES} half-sent bodies: rate, to a bare Flask route"
BAR = 0.7
"""That of the same comparison without them."""


def study(bench: Bench, rounds: int) -> list[Finding]:
    """Compare the gateway's route with a bare one, in turn, while the bodies are open."""

    def beside() -> Measurement:
        with _open(bench.stage.service):
            return bench.verify_warm()

    pairs = in_turn(bench.bare, beside, rounds)
    ratios = [verified.rate / bare.rate for bare, verified in pairs]
    slowest = max(verified.p99 for _, verified in pairs)
    about = f"rounds {min(ratios):.2f} to {max(ratios):.2f}; p99 {slowest:.1f} ms at most"
    return [Finding(NAME, SUBJECT, median(ratios), "times", least=BAR, about=about)]


@contextmanager
def _open(port: int) -> Iterator[None]:
    """Keep that many bodies open meanwhile."""
    over, begun = threading.Event(), threading.Event()
    keeper = threading.Thread(target=_keep, args=(port, begun, over))
    keeper.start()
    try:
        if not begun.wait(LIFE):
            raise RuntimeError(f"{BODIES} bodies could not be begun")
        yield
        if not keeper.is_alive():
            raise RuntimeError("the bodies were not kept open, so nothing was measured")
    finally:
        over.set()
        keeper.join()


def _keep(port: int, begun: threading.Event, over: threading.Event) -> None:
    while not over.is_set():
        with ExitStack() as bodies:
            for _ in range(BODIES):
                body = bodies.enter_context(socket.create_connection(("127.0.0.1", port)))
                body.sendall(HALF)
            begun.set()
            over.wait(LIFE)
