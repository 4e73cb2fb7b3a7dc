"""Whether every message arrives, and how fast, though workers die and the mail server is down.

As it is shipped: `flask worker`, mails by SMTP with STARTTLS, a certificate of a private authority
that is verified, and a password; texts by a gateway's HTTPS.
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
from bench.finding import Finding
from bench.stage import stored
from config import Settings
from gatehouse.core import clock
from gatehouse.database.session import db, release, writing
from gatehouse.messaging import outbox
from gatehouse.messaging.message import Letter
from gatehouse.web.request_context import NOBODY
from models import OutboxMessage
from tests.loopback import OK, serving
from tests.mail_server import PASSWORD, USER, certificate, knows_us
from tests.nursery import FLASK
from tests.post_office import Arrivals, MailServer, Workers

NAME = "outbox"
COUNT = 10_000
TEXT_EACH = 5
"""Every fifth message is a text."""
AT_ONCE = 500
"""Messages that are written in one transaction."""
TIMED = (1_000, 4_000)
"""Between these arrivals nothing happens, and the pace is taken."""
KILLED_AT = (5_000, 6_000)
DOWN_AT, DOWN = 7_000, 5.0
"""The mail server is down for so many seconds after that arrival."""
PATIENCE = 900.0
WORKERS = 2
WORKER = [*FLASK, "worker"]
MOST_TWICE = len(KILLED_AT) + WORKERS
"""One for each kill, and one for each worker whose mail server went away with a mail in hand."""
GATEWAY = """
url = "https://localhost:{port}/texts/{{id}}?to={{digits}}&text={{text}}"

[[accepted]]
status = [200]
"""


@dataclass(frozen=True)
class Office:
    """Where messages go, and the settings by which they get there."""

    arrivals: Arrivals
    mail: MailServer
    settings: Mapping[str, str]


def study(folder: Path, postgres_url: str | None) -> tuple[list[Finding], str]:
    """Queue, deliver, kill, count; return also the version of PostgreSQL."""
    with stored(folder, postgres_url) as (environment, version), _office(folder) as office:
        _queue(environment)
        with _delivering({**environment, **office.settings}, office) as workers:
            rate, took = _disturb(office, workers)
        unmarked = _unmarked(environment)
    return _findings(office.arrivals, unmarked, rate, took), version


@contextmanager
def _office(folder: Path) -> Iterator[Office]:
    """Lend a mail server and a gateway that take whatever comes over TLS, and note its id."""
    authority, arrivals = trustme.CA(), Arrivals()
    trusted, described = folder / "authority.pem", folder / "gateway.toml"
    authority.cert_pem.write_to_path(str(trusted))
    shown = certificate(authority)

    def take_text(head: str) -> list[bytes]:
        arrivals.note(head.partition("/texts/")[2].partition("?")[0])
        return [OK]

    tls = {"tls_context": shown, "require_starttls": True}
    mail = MailServer(arrivals, **tls, authenticator=knows_us, auth_required=True)
    with serving(take_text, tls=shown) as gateway:
        described.write_text(GATEWAY.format(port=gateway.port))
        mail.start()
        yield Office(arrivals, mail, _settings(mail.port, trusted, described))
        mail.stop()


def _settings(port: int, trusted: Path, described: Path) -> dict[str, str]:
    return {
        "SMTP_URL": f"smtp://{USER}:{quote(PASSWORD, safe='')}@localhost:{port}",
        "GATEHOUSE_MAIL_FROM": "Gatehouse <no-reply@example.com>",
        "GATEHOUSE_SMS_GATEWAY": str(described),
        "GATEHOUSE_OUTBOUND_ALLOWED": "localhost",
        "GATEHOUSE_OUTBOUND_CA_FILE": str(trusted),
    }


def _queue(environment: Mapping[str, str]) -> None:
    app = create_app(Settings.from_environment(environment))
    with app.app_context():
        upgrade()
        for first in range(0, COUNT, AT_ONCE):
            with writing():
                for number in range(first, first + AT_ONCE):
                    outbox.put(_letter(number), NOBODY)
            db.session.commit()
        db.engine.dispose()


def _letter(number: int) -> Letter:
    if number % TEXT_EACH == 0:
        return Letter(f"+4915{number:09}", "sms_login", {"code": "12345678"}, channel="sms")
    tomorrow = clock.now() + timedelta(days=1)
    variables = {"code": "12345678", "link": "https://auth.example.com/x", "expires": tomorrow}
    return Letter(f"person{number}@example.com", "verify_email", variables)


@contextmanager
def _delivering(environment: Mapping[str, str], office: Office) -> Iterator[Workers]:
    workers = Workers(environment, lambda: WORKER)
    workers.start(WORKERS)
    try:
        yield workers
    finally:
        workers.end()


def _disturb(office: Office, workers: Workers) -> tuple[float, float]:
    """Let the bad day happen; return messages a second on a good one, and seconds in all."""
    arrivals = office.arrivals
    arrivals.wait_for(1, PATIENCE)
    began = time.perf_counter()
    pace = _pace(arrivals)
    for arrived in KILLED_AT:
        arrivals.wait_for(arrived, PATIENCE)
        workers.kill_one()
    arrivals.wait_for(DOWN_AT, PATIENCE)
    office.mail.stop()
    time.sleep(DOWN)
    office.mail.start()
    arrivals.wait_for(COUNT, PATIENCE)
    took = time.perf_counter() - began
    time.sleep(2)  # for the last notes of the workers
    return pace, took


def _pace(arrivals: Arrivals) -> float:
    first, last = TIMED
    arrivals.wait_for(first, PATIENCE)
    began = time.perf_counter()
    arrivals.wait_for(last, PATIENCE)
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


def _findings(arrivals: Arrivals, unmarked: int, rate: float, took: float) -> list[Finding]:
    lost = COUNT - len(arrivals.accepted)
    kills = f"{len(KILLED_AT)} kills of a worker, and {DOWN:g} s without a mail server"
    twice = f"most: one for each kill, and one in the hands of each of {WORKERS} workers"
    return [
        Finding(
            NAME,
            f"of {COUNT:,} messages lost, {COUNT // TEXT_EACH:,} of them texts",
            lost,
            "",
            most=1,
            about=kills,
        ),
        Finding(NAME, "arrived twice", arrivals.duplicates, "", most=MOST_TWICE + 1, about=twice),
        Finding(NAME, "arrived and not marked as sent", unmarked, "", most=1),
        Finding(
            NAME,
            "delivered a second",
            rate,
            "",
            about=f"{WORKERS} times `flask worker`, undisturbed",
        ),
        Finding(NAME, "until the last one arrived", took, "s", about="a lease is 120 s of it"),
    ]
