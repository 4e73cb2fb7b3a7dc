"""Whether every message arrives, and how fast, though workers die and the mail server is down."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from flask_migrate import upgrade
from sqlalchemy import func, select

from app import create_app
from bench.finding import Finding
from bench.stage import stored
from config import Settings
from gatehouse.delivery import outbox, queue
from gatehouse.delivery.message import Letter
from gatehouse.foundation.database import db, release, writing
from gatehouse.foundation.visitor import NOBODY
from models import OutboxMessage
from tests.post_office import MailServer, Workers, courier

NAME = "outbox"
COUNT = 10_000
AT_ONCE = 500
"""Messages that are written in one transaction."""
TIMED = (1_000, 4_000)
"""Between these arrivals nothing happens, and the pace is taken."""
KILLED_AT = (5_000, 6_000)
DOWN_AT, DOWN = 7_000, 5.0
"""The mail server is down for so many seconds after that arrival."""
PATIENCE = 600.0
WORKERS = 2
MOST_TWICE = len(KILLED_AT) + WORKERS
"""One for each kill, and one for each worker whose mail server went away with a mail in hand."""


def study(folder: Path, postgres_url: str | None) -> list[Finding]:
    """Queue, deliver, kill, count."""
    with stored(folder, postgres_url) as (environment, _):
        _queue(environment)
        with _delivering(environment) as (server, workers):
            rate, took = _disturb(server, workers)
        unmarked = _unmarked(environment)
    return _findings(server, unmarked, rate, took)


def _queue(environment: Mapping[str, str]) -> None:
    variables = {"code": "12345678", "link": "https://auth.example.com/x", "expires": "today"}
    app = create_app(Settings.from_environment(environment))
    with app.app_context():
        upgrade()
        for first in range(0, COUNT, AT_ONCE):
            with writing():
                for number in range(first, first + AT_ONCE):
                    letter = Letter(f"person{number}@example.com", "verify_email", variables)
                    outbox.put(letter, NOBODY)
            db.session.commit()
        db.engine.dispose()


@contextmanager
def _delivering(environment: Mapping[str, str]) -> Iterator[tuple[MailServer, Workers]]:
    server = MailServer()
    lease = queue.LEASE.total_seconds()
    workers = Workers(environment, partial(courier, server, lease))
    server.start()
    workers.start(WORKERS)
    try:
        yield server, workers
    finally:
        workers.end()
        server.stop()


def _disturb(server: MailServer, workers: Workers) -> tuple[float, float]:
    """Let the bad day happen; return messages a second on a good one, and seconds in all."""
    server.wait_for(1, PATIENCE)
    began = time.perf_counter()
    pace = _pace(server)
    for arrived in KILLED_AT:
        server.wait_for(arrived, PATIENCE)
        workers.kill_one()
    server.wait_for(DOWN_AT, PATIENCE)
    server.stop()
    time.sleep(DOWN)
    server.start()
    server.wait_for(COUNT, PATIENCE)
    took = time.perf_counter() - began
    time.sleep(2)  # for the last notes of the workers
    return pace, took


def _pace(server: MailServer) -> float:
    first, last = TIMED
    server.wait_for(first, PATIENCE)
    began = time.perf_counter()
    server.wait_for(last, PATIENCE)
    return (last - first) / (time.perf_counter() - began)


def _unmarked(environment: Mapping[str, str]) -> int:
    """Return how many messages are not marked as sent."""
    app = create_app(Settings.from_environment(environment))
    with app.app_context():
        left = select(func.count()).where(OutboxMessage.sent_at.is_(None))
        count = db.session.scalar(left) or 0
        release()
        db.engine.dispose()
    return count


def _findings(server: MailServer, unmarked: int, rate: float, took: float) -> list[Finding]:
    lost = COUNT - len(server.accepted)
    kills = f"{len(KILLED_AT)} kills of a worker, and {DOWN:g} s without a mail server"
    twice = f"most: one for each kill, and one in the hands of each of {WORKERS} workers"
    return [
        Finding(NAME, f"of {COUNT:,} messages lost", lost, "", most=1, about=kills),
        Finding(NAME, "arrived twice", server.duplicates, "", most=MOST_TWICE + 1, about=twice),
        Finding(NAME, "arrived and not marked as sent", unmarked, "", most=1),
        Finding(NAME, "delivered a second", rate, "", about=f"{WORKERS} workers, undisturbed"),
        Finding(NAME, "until the last one arrived", took, "s", about="a lease is 120 s of it"),
    ]
