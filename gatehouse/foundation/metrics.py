"""Prometheus metrics, right under several workers: each writes its own file, one answer sums them.

`flask serve` names the folder of those files (PROMETHEUS_MULTIPROC_DIR) before it starts the
workers; without it the process counts for itself.
"""

from flask import Flask, Response, g, request
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

from gatehouse.foundation import clock

REQUESTS = Counter(
    "gatehouse_requests_total", "Answers by route and status.", ["method", "route", "status"]
)
SECONDS = Histogram(
    "gatehouse_request_seconds",
    "How long answers took.",
    ["route"],
    buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
EVENTS = Counter("gatehouse_events_total", "Audit events by name.", ["event"])
HASH_SECONDS = Histogram(
    "gatehouse_password_hash_seconds",
    "How long password hashes took.",
    buckets=(0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5),
)
REVOCATION_AGE = Gauge(
    "gatehouse_revocation_age_seconds",
    "Time since the revocations were last read, of the slowest worker.",
    multiprocess_mode="livemax",
)


def count_requests(app: Flask) -> None:
    """Count and time every answer by its route, never by its address."""

    @app.after_request
    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        REQUESTS.labels(request.method, route, str(response.status_code)).inc()
        if "started" in g:
            SECONDS.labels(route).observe(clock.monotonic() - g.started)
        return response


def exposition() -> Response:
    """Return the metrics of all workers in the Prometheus text format."""
    registry: CollectorRegistry = REGISTRY
    if values.ValueClass.__name__ == "MmapedValue":
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
