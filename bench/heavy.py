"""What somebody who logs in notices of those who send passwords of ten megabytes."""

import multiprocessing
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.sharedctypes import Synchronized
from statistics import median

from bench.comparisons import LOG_IN, WARM_UP, Bench, in_turn, middle
from bench.finding import Finding
from bench.lanes import Measurement
from bench.load import LOGIN, Load, send

NAME = "heavy"
SENDERS = 50
REST = 1.0
"""Seconds until they all try again."""
BODY = b'{"identifier": "person@example.com", "password": "' + b"x" * 10_000_000 + b'"}'
REFUSED = b"HTTP/1.1 413 "
ROUND = 20
"""Seconds at least: one client makes few logins in one of them, and a p99 wants some."""
WORSE = 2.0
_PROCESSES = multiprocessing.get_context("fork")


def study(bench: Bench, rounds: int) -> list[Finding]:
    """Measure one client that logs in, with those senders and without them, in turn."""
    load = Load(bench.stage.service, "/auth/login", LOGIN, bench.people.logins())
    refused = _PROCESSES.Value("i", 0)

    def calm() -> Measurement:
        return send(load, max(ROUND, bench.seconds), connections=1)

    def troubled() -> Measurement:
        with _senders(load.port, refused):
            return calm()

    pairs = in_turn(calm, troubled, rounds)
    if not refused.value:
        raise RuntimeError("no password of 10 MB was refused, so nothing was measured")
    alone, beside = (middle(list(side)) for side in zip(*pairs, strict=True))
    worse = [after.p99 / before.p99 for before, after in pairs]
    sent = f"{SENDERS} at once, once a second: {refused.value:,} were answered 413"
    about = f"rounds {min(worse):.2f} to {max(worse):.2f}; without {alone.p99:.0f} ms; {sent}"
    subject = f"{LOG_IN} beside passwords of 10 MB: p99"
    return [
        Finding(NAME, subject, beside.p99, "ms", about=f"p50 {beside.p50:.0f} ms"),
        Finding(NAME, "p99, to that without them", median(worse), "times", WORSE, about=about),
    ]


@contextmanager
def _senders(port: int, refused: "Synchronized[int]") -> Iterator[None]:
    """Let all of them send meanwhile, from a process of their own."""
    process = _PROCESSES.Process(target=_send_all, args=(port, refused))
    process.start()
    try:
        time.sleep(WARM_UP)
        yield
    finally:
        process.kill()
        process.join()


def _send_all(port: int, refused: "Synchronized[int]") -> None:
    with ThreadPoolExecutor(SENDERS) as pool:
        while True:
            answers = list(pool.map(_send, [port] * SENDERS))
            with refused.get_lock():
                refused.value += sum(answer.startswith(REFUSED) for answer in answers)
            time.sleep(REST)


def _send(port: int) -> bytes:
    """Send as much of the body as the server takes, and return what it says."""
    head = f"POST /auth/login HTTP/1.1\r\nHost: localhost:{port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with suppress(ConnectionError):  # it hangs up while we still send
            connection.sendall(head.encode() + BODY)
        with suppress(ConnectionError):
            return connection.recv(1000)
    return b""
