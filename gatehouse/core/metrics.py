"""Prometheus metrics, right under several workers: each writes its own file, one answer sums them.

`flask serve` names the folder of those files (PROMETHEUS_MULTIPROC_DIR) before it forks the
workers; without it the process counts for itself.
"""

import os
from functools import cache
from pathlib import Path

from flask import Response, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

import config
from gatehouse.core import clock

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
"""The others, which anybody may invent, are counted as one."""
REQUESTS = Histogram(
    "gatehouse_request_seconds",
    "How long answers took, by route and status; its count is the number of answers.",
    ["method", "route", "status"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
EVENTS = Counter("gatehouse_events_total", "Audit events by name.", ["event"])
HASH_SECONDS = Histogram(
    "gatehouse_password_hash_seconds",
    "How long password hashes took.",
    buckets=(0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5),
)
HASHES_WAITING = Gauge(
    "gatehouse_password_hashes_waiting",
    "Requests that wait for a password to be hashed, in all workers.",
    multiprocess_mode="livesum",
)
GUESSES_REFUSED = Counter(
    "gatehouse_guesses_refused_total",
    "Passwords that were not evaluated, because a counter of the lockout waits.",
)
TEXTS_WITHHELD = Counter(
    "gatehouse_texts_withheld_total",
    "Texts that were not sent, by the budget that was spent: number, network, prefix or paused.",
    ["budget"],
)
CAPTCHAS = Counter(
    "gatehouse_captchas_total",
    "CAPTCHAs: asked, solved, wrong, or unanswered by their provider.",
    ["action", "outcome"],
)
BREACHES_UNASKED = Counter(
    "gatehouse_breaches_unasked_total",
    "Passwords that were not compared with stolen ones, as the file or the look-up failed.",
    ["source"],
)
REVOCATIONS_READ = Gauge(
    "gatehouse_revocations_read_timestamp_seconds",
    "When the slowest worker last read keys and revocations; it falls behind when a watch hangs.",
    multiprocess_mode="livemin",
)

MESSAGES = Counter(
    "gatehouse_messages_total",
    "Attempts to deliver a message, by channel and outcome: sent, failed or given_up.",
    ["channel", "outcome"],
)
MESSAGES_WAITING = Gauge(
    "gatehouse_messages_waiting",
    "Messages in the outbox that were neither sent nor given up.",
    multiprocess_mode="livemostrecent",
)
MESSAGES_OLDEST = Gauge(
    "gatehouse_messages_oldest_seconds",
    "How long the oldest of the waiting messages waits: rising when nothing carries them away.",
    multiprocess_mode="livemostrecent",
)
MESSAGES_GIVEN_UP = Gauge(
    "gatehouse_messages_given_up",
    "Messages that were given up in the last seven days.",
    multiprocess_mode="livemostrecent",
)
ALL = (
    *(REQUESTS, EVENTS, HASH_SECONDS, HASHES_WAITING, GUESSES_REFUSED, TEXTS_WITHHELD, CAPTCHAS),
    *(BREACHES_UNASKED, REVOCATIONS_READ, MESSAGES, MESSAGES_WAITING, MESSAGES_OLDEST),
    MESSAGES_GIVEN_UP,
)


def share(folder: Path) -> None:
    """Begin anew, in files of this folder: so do all processes that are forked from this one.

    The library would choose between memory and files when it is imported, which is too early.
    """
    for metric in ALL:
        metric.clear()
    config.name_metrics_folder(folder)
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    for metric in ALL:
        if not metric._labelnames:
            metric._metric_init()  # nothing public begins one anew


@cache
def _of(method: str, route: str, status: int) -> Histogram:
    """Return the histogram of one kind of answer; looking it up costs more than using it."""
    return REQUESTS.labels(method, route, str(status))


def count_answer(response: Response) -> Response:
    """Count and time an answer by its route, never by its address."""
    route = request.url_rule.rule if request.url_rule else "none"
    method = request.method if request.method in METHODS else "other"
    took = clock.monotonic() - request.environ["gatehouse.started"]
    _of(method, route, response.status_code).observe(took)
    return response


def _keep_living_workers() -> None:
    """Drop the gauges of workers that were respawned, and of their master, which sets none.

    It has them because it imports this for its workers. All counts stay in the sums.
    """
    master = str(os.getppid())
    for file in Path(config.metrics_folder()).glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        dead = not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists()
        if dead or pid == master:
            file.unlink(missing_ok=True)


def exposition() -> Response:
    """Return the metrics of all workers in the Prometheus text format."""
    registry: CollectorRegistry = REGISTRY
    if values.ValueClass.__name__ == "MmapedValue":
        _keep_living_workers()
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
