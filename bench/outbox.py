"""Outbox: rate, and lost or duplicate messages, with killed workers and a mail server outage.

Runs `gatehouse worker` as shipped: mail by SMTP with STARTTLS, a verified certificate of a private
authority, and a password; SMS by a gateway over HTTPS.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import trustme
from flask_migrate import upgrade
from sqlalchemy import func, select

from app import create_app
from bench.environment import create_database
from bench.finding import Finding
from config import Settings
from gatehouse.core import clock
from gatehouse.database.session import db, end_transaction, write_transaction
from gatehouse.messaging import outbox
from gatehouse.messaging.message import MessageRequest
from gatehouse.web.request_context import NO_REQUEST
from models import OutboxMessage
from tests.child_processes import FLASK
from tests.loopback_server import OK, loopback_server
from tests.mail_server import PASSWORD, USER, check_credentials, create_tls_context
from tests.smtp_fixtures import Arrivals, MailServer, Workers

NAME = "outbox"
COUNT = 10_000
SMS_EVERY = 5
"""Every fifth message is an SMS."""
BATCH_SIZE = 500
"""Messages per transaction when they are queued."""
TIMED_RANGE = (1_000, 4_000)
"""The delivery rate is measured between these arrivals, where nothing fails."""
KILLED_AT = (5_000, 6_000)
OUTAGE_AT, OUTAGE_SECONDS = 7_000, 5.0
"""The mail server is stopped for some seconds after this arrival."""
TIMEOUT = 900.0
WORKERS = 2
WORKER = [*FLASK, "worker"]
MAX_DUPLICATES = len(KILLED_AT) + WORKERS
"""One per kill, and one per worker that was sending a mail when the mail server stopped."""
GATEWAY = """
url = "https://localhost:{port}/texts/{{id}}?to={{digits}}&text={{text}}"

[[accepted]]
status = [200]
"""


@dataclass(frozen=True)
class MessageSink:
    """Servers that receive the messages, and the settings to send to them."""

    arrivals: Arrivals
    mail: MailServer
    settings: Mapping[str, str]


def study(folder: Path, postgres_url: str | None) -> tuple[list[Finding], str]:
    """Queue and deliver messages with failures; return findings and the version of PostgreSQL."""
    with (
        create_database(folder, postgres_url) as (environment, version),
        _message_sink(folder) as sink,
    ):
        _enqueue_messages(environment)
        with _running_workers({**environment, **sink.settings}, sink) as workers:
            rate, took = _inject_failures(sink, workers)
        unmarked = _count_not_marked_sent(environment)
    return _findings(sink.arrivals, unmarked, rate, took), version


@contextmanager
def _message_sink(folder: Path) -> Iterator[MessageSink]:
    """Run a mail server and an SMS gateway, with TLS, that record the ids of messages."""
    authority, arrivals = trustme.CA(), Arrivals()
    ca_file, gateway_file = folder / "authority.pem", folder / "gateway.toml"
    authority.cert_pem.write_to_path(str(ca_file))
    tls_context = create_tls_context(authority)

    def accept_sms(head: str) -> list[bytes]:
        arrivals.add(head.partition("/texts/")[2].partition("?")[0])
        return [OK]

    tls = {"tls_context": tls_context, "require_starttls": True}
    mail = MailServer(arrivals, **tls, authenticator=check_credentials, auth_required=True)
    with loopback_server(accept_sms, tls=tls_context) as gateway:
        gateway_file.write_text(GATEWAY.format(port=gateway.port))
        mail.start()
        yield MessageSink(arrivals, mail, _settings(mail.port, ca_file, gateway_file))
        mail.stop()


def _settings(port: int, ca_file: Path, gateway_file: Path) -> dict[str, str]:
    return {
        "SMTP_URL": f"smtp://{USER}:{quote(PASSWORD, safe='')}@localhost:{port}",
        "GATEHOUSE_MAIL_FROM": "Gatehouse <no-reply@example.com>",
        "GATEHOUSE_SMS_GATEWAY": str(gateway_file),
        "GATEHOUSE_EGRESS_ALLOWLIST": "localhost",
        "GATEHOUSE_CA_BUNDLE_FILE": str(ca_file),
    }


def _enqueue_messages(environment: Mapping[str, str]) -> None:
    app = create_app(Settings.from_environment(environment))
    with app.app_context():
        upgrade()
        for first in range(0, COUNT, BATCH_SIZE):
            with write_transaction():
                for number in range(first, first + BATCH_SIZE):
                    outbox.put(_message(number), NO_REQUEST)
            db.session.commit()
        db.engine.dispose()


def _message(number: int) -> MessageRequest:
    if number % SMS_EVERY == 0:
        return MessageRequest(f"+4915{number:09}", "sms_login", {"code": "12345678"}, channel="sms")
    tomorrow = clock.now() + timedelta(days=1)
    variables = {"code": "12345678", "link": "https://auth.example.com/x", "expires": tomorrow}
    return MessageRequest(f"person{number}@example.com", "verify_email", variables)


@contextmanager
def _running_workers(environment: Mapping[str, str], sink: MessageSink) -> Iterator[Workers]:
    workers = Workers(environment, lambda: WORKER)
    workers.start(WORKERS)
    try:
        yield workers
    finally:
        workers.end()


def _inject_failures(sink: MessageSink, workers: Workers) -> tuple[float, float]:
    """Kill workers, stop the mail server; return the undisturbed rate and the seconds in all."""
    arrivals = sink.arrivals
    arrivals.wait_for(1, TIMEOUT)
    began = time.perf_counter()
    rate = _delivery_rate(arrivals)
    for arrived in KILLED_AT:
        arrivals.wait_for(arrived, TIMEOUT)
        workers.kill_one()
    arrivals.wait_for(OUTAGE_AT, TIMEOUT)
    sink.mail.stop()
    time.sleep(OUTAGE_SECONDS)
    sink.mail.start()
    arrivals.wait_for(COUNT, TIMEOUT)
    took = time.perf_counter() - began
    time.sleep(2)  # until the workers have marked the last messages
    return rate, took


def _delivery_rate(arrivals: Arrivals) -> float:
    first, last = TIMED_RANGE
    arrivals.wait_for(first, TIMEOUT)
    began = time.perf_counter()
    arrivals.wait_for(last, TIMEOUT)
    return (last - first) / (time.perf_counter() - began)


def _count_not_marked_sent(environment: Mapping[str, str]) -> int:
    """Return the number of messages that are not marked as sent."""
    app = create_app(Settings.from_environment(environment))
    with app.app_context():
        statement = select(func.count()).where(OutboxMessage.sent_at.is_(None))
        count = db.session.scalar(statement) or 0
        end_transaction()
        db.engine.dispose()
    return count


def _findings(arrivals: Arrivals, unmarked: int, rate: float, took: float) -> list[Finding]:
    lost = COUNT - len(arrivals.accepted)
    kills = f"{len(KILLED_AT)} kills of a worker, and {OUTAGE_SECONDS:g} s without a mail server"
    duplicates = f"at most one per kill, and one per worker ({WORKERS}) at the outage"
    return [
        Finding(
            NAME,
            f"of {COUNT:,} messages lost, {COUNT // SMS_EVERY:,} of them SMS",
            lost,
            "",
            maximum=1,
            details=kills,
        ),
        Finding(
            NAME,
            "arrived twice",
            arrivals.duplicates,
            "",
            maximum=MAX_DUPLICATES + 1,
            details=duplicates,
        ),
        Finding(NAME, "arrived and not marked as sent", unmarked, "", maximum=1),
        Finding(
            NAME,
            "delivered a second",
            rate,
            "",
            details=f"{WORKERS} times `gatehouse worker`, undisturbed",
        ),
        Finding(
            NAME, "until the last one arrived", took, "s", details="including a lease of 120 s"
        ),
    ]
