"""Latency of logins while other clients send passwords of ten megabytes."""

import multiprocessing
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.sharedctypes import Synchronized
from statistics import median

from bench.comparisons import LOG_IN, WARM_UP, Bench, measure_alternately, median_measurement
from bench.finding import Finding
from bench.load import LOGIN, Load, send
from bench.workers import Measurement

NAME = "heavy"
SENDERS = 50
RETRY_DELAY = 1.0
"""Seconds between the requests of a sender."""
BODY = b'{"identifier": "person@example.com", "password": "' + b"x" * 10_000_000 + b'"}'
PAYLOAD_TOO_LARGE = b"HTTP/1.1 413 "
MIN_SECONDS = 20
"""Shortest measurement in seconds: a p99 needs many logins, and one client makes few a second."""
MAX_SLOWDOWN = 2.0
_PROCESSES = multiprocessing.get_context("fork")


def study(bench: Bench, rounds: int) -> list[Finding]:
    """Measure one client that logs in, alternately with and without the senders."""
    load = Load(bench.environment.service_port, "/auth/login", LOGIN, bench.users.logins())
    rejected = _PROCESSES.Value("i", 0)

    def calm() -> Measurement:
        return send(load, max(MIN_SECONDS, bench.seconds), connections=1)

    def during() -> Measurement:
        with _senders(load.port, rejected):
            return calm()

    pairs = measure_alternately(calm, during, rounds)
    if not rejected.value:
        raise RuntimeError("no password of 10 MB was rejected, so nothing was measured")
    alone, beside = (median_measurement(list(side)) for side in zip(*pairs, strict=True))
    slowdowns = [after.p99 / before.p99 for before, after in pairs]
    sent = f"{SENDERS} at a time, once a second: {rejected.value:,} responses were 413"
    about = (
        f"rounds {min(slowdowns):.2f} to {max(slowdowns):.2f}; without {alone.p99:.0f} ms; {sent}"
    )
    subject = f"{LOG_IN} beside passwords of 10 MB: p99"
    return [
        Finding(NAME, subject, beside.p99, "ms", details=f"p50 {beside.p50:.0f} ms"),
        Finding(
            NAME,
            "p99, to that without them",
            median(slowdowns),
            "times",
            MAX_SLOWDOWN,
            details=about,
        ),
    ]


@contextmanager
def _senders(port: int, rejected: "Synchronized[int]") -> Iterator[None]:
    """Run the senders in another process during the context."""
    process = _PROCESSES.Process(target=_send_all, args=(port, rejected))
    process.start()
    try:
        time.sleep(WARM_UP)
        yield
    finally:
        process.kill()
        process.join()


def _send_all(port: int, rejected: "Synchronized[int]") -> None:
    with ThreadPoolExecutor(SENDERS) as pool:
        while True:
            responses = list(pool.map(_send, [port] * SENDERS))
            with rejected.get_lock():
                rejected.value += sum(one.startswith(PAYLOAD_TOO_LARGE) for one in responses)
            time.sleep(RETRY_DELAY)


def _send(port: int) -> bytes:
    """Send as much of the body as the server reads, and return the start of its response."""
    head = f"POST /auth/login HTTP/1.1\r\nHost: localhost:{port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with suppress(ConnectionError):  # the server closes the connection while we send
            connection.sendall(head.encode() + BODY)
        with suppress(ConnectionError):
            return connection.recv(1000)
    return b""
