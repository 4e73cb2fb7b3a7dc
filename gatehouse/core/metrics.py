"""Prometheus metrics; with several workers, each writes its own file and one response sums them.

`gatehouse serve` sets the folder of the files (PROMETHEUS_MULTIPROC_DIR) before it forks workers;
without it the metrics are those of this process.
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
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector

import config
from gatehouse.core import clock

COUNTED_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
"""Other methods, which clients can invent, are counted as `other`."""
REQUESTS = Histogram(
    "gatehouse_request_seconds",
    "Duration of responses by method, route and status; its count is the number of responses.",
    ["method", "route", "status"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
EVENTS = Counter("gatehouse_events_total", "Audit events by name.", ["event"])
TRANSACTION_CONFLICTS = Counter(
    "gatehouse_transaction_conflicts_total",
    "Requests repeated because PostgreSQL gave their transaction up: deadlocks, serialization.",
)
HASH_SECONDS = Histogram(
    "gatehouse_password_hash_seconds",
    "Duration of password hashes.",
    buckets=(0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5),
)
HASHES_WAITING = Gauge(
    "gatehouse_password_hashes_waiting",
    "Requests waiting for a password hash, in all workers.",
    multiprocess_mode="livesum",
)
PASSWORD_ATTEMPTS_THROTTLED = Counter(
    "gatehouse_password_attempts_throttled_total",
    "Password attempts rejected by the lockout, without a check of the password.",
)
SMS_SUPPRESSED = Counter(
    "gatehouse_sms_suppressed_total",
    "SMS not sent, by exhausted budget: number, network, prefix or paused.",
    ["budget"],
)
CAPTCHAS = Counter(
    "gatehouse_captchas_total",
    "CAPTCHAs by action and outcome: asked, solved, wrong, or unanswered by their provider.",
    ["action", "outcome"],
)
HOOK_SECONDS = Histogram(
    "gatehouse_hook_seconds",
    "Duration of requests to blocking hooks, by kind.",
    ["kind"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1),
)
HOOK_ANSWERS = Counter(
    "gatehouse_hook_answers_total",
    "Answers of blocking hooks, by kind and outcome: allow, deny, claims or failed.",
    ["kind", "outcome"],
)
BREACH_CHECKS_SKIPPED = Counter(
    "gatehouse_breach_checks_skipped_total",
    "Breach checks skipped because the local list or the remote lookup failed.",
    ["source"],
)
REVOCATIONS_REFRESHED = Gauge(
    "gatehouse_revocations_refreshed_timestamp_seconds",
    "When the slowest worker last read keys and revocations; old if a worker's sync hangs.",
    multiprocess_mode="livemin",
)

CLOCK_SKEW = Gauge(
    "gatehouse_clock_skew_seconds",
    "By how much this machine's clock is ahead of the database's, which decides.",
    multiprocess_mode="livemostrecent",
)
MESSAGES = Counter(
    "gatehouse_messages_total",
    "Delivery attempts of messages, by channel and outcome: sent, failed or abandoned.",
    ["channel", "outcome"],
)
MESSAGES_WAITING = Gauge(
    "gatehouse_messages_waiting",
    "Messages in the outbox that were neither sent nor abandoned.",
    multiprocess_mode="livemostrecent",
)
OLDEST_MESSAGE_AGE = Gauge(
    "gatehouse_messages_oldest_seconds",
    "Age of the oldest waiting message; it rises when no worker delivers.",
    multiprocess_mode="livemostrecent",
)
MESSAGES_ABANDONED = Gauge(
    "gatehouse_messages_abandoned",
    "Messages abandoned in the last seven days.",
    multiprocess_mode="livemostrecent",
)
WEBHOOKS = Counter(
    "gatehouse_webhooks_total",
    "Delivery attempts of events to webhooks, by outcome: delivered, failed or abandoned.",
    ["outcome"],
)
WEBHOOKS_WAITING = Gauge(
    "gatehouse_webhooks_waiting",
    "Events that were neither delivered to their webhooks nor abandoned.",
    multiprocess_mode="livemostrecent",
)
OLDEST_WEBHOOK_AGE = Gauge(
    "gatehouse_webhooks_oldest_seconds",
    "Age of the oldest event that waits for its webhook.",
    multiprocess_mode="livemostrecent",
)
WEBHOOKS_PAUSED = Gauge(
    "gatehouse_webhooks_paused",
    "Webhooks that are paused because they failed for a day; enable them when they work again.",
    multiprocess_mode="livemostrecent",
)
LOGOUTS = Counter(
    "gatehouse_logout_notifications_total",
    "Attempts to send logout tokens to clients, by outcome: delivered, failed or abandoned.",
    ["outcome"],
)
LOGOUTS_WAITING = Gauge(
    "gatehouse_logout_notifications_waiting",
    "Logout notifications that were neither delivered to their clients nor abandoned.",
    multiprocess_mode="livemostrecent",
)
OLDEST_LOGOUT_AGE = Gauge(
    "gatehouse_logout_notifications_oldest_seconds",
    "Age of the oldest logout notification that waits for its client.",
    multiprocess_mode="livemostrecent",
)
WORKER_EXITS = Counter(
    "gatehouse_worker_exits_total",
    "Workers that ended unexpectedly; each is restarted.",
)
FAILING_WORKERS = Gauge(
    "gatehouse_workers_failing",
    "Workers that keep ending unexpectedly; their restarts wait longer and longer.",
    multiprocess_mode="mostrecent",
)
ALL_METRICS = [value for value in list(globals().values()) if isinstance(value, MetricWrapperBase)]
"""Those above: one that is left out would stay in the memory of its worker, unseen."""


def enable_multiprocess(folder: Path) -> None:
    """Restart all metrics in files of this folder, for this process and its forks.

    The library chooses between memory and files when it is imported, which is too early.
    """
    for metric in ALL_METRICS:
        metric.clear()
    config.set_metrics_folder(folder)
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    for metric in ALL_METRICS:
        if not metric._labelnames:
            metric._metric_init()  # type: ignore[no-untyped-call] # no public method


@cache
def _request_histogram(method: str, route: str, status: int) -> Histogram:
    """Return the histogram of one label set; cached, as the lookup costs more than its use."""
    return REQUESTS.labels(method, route, str(status))


def count_response(response: Response) -> Response:
    """Record the duration of a response by its route, never by its URL."""
    route = request.url_rule.rule if request.url_rule else "none"
    method = request.method if request.method in COUNTED_METHODS else "other"
    seconds = clock.monotonic() - request.environ["gatehouse.started"]
    _request_histogram(method, route, response.status_code).observe(seconds)
    return response


def _remove_files_of_dead_workers() -> None:
    """Delete the gauge files of dead workers and of the master process; keep all counters.

    The master has files because it imports this module, but it sets no gauge.
    """
    master = str(os.getppid())
    for file in Path(config.metrics_folder()).glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        dead = not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists()
        if dead or pid == master:
            file.unlink(missing_ok=True)


def render_exposition() -> Response:
    """Return the metrics of all workers in the Prometheus text format."""
    registry: CollectorRegistry = REGISTRY
    if values.ValueClass.__name__ == "MmapedValue":
        _remove_files_of_dead_workers()
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
