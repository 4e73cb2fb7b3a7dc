"""Workers in processes of their own: killed, replaced, told to stop, and started in vain."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

from models import OutboxMessage
from tests.live import LiveServer
from tests.mail_server import serving_mail
from tests.nursery import FLASK, Python
from tests.patience import wait_until
from tests.post_office import Arrivals, MailServer, Workers, courier
from tests.rows import rows

COUNT = 300
LEASE = 2.0  # seconds


@pytest.fixture
def arrivals():
    return Arrivals()


@pytest.fixture
def mail_server(arrivals):
    server = MailServer(arrivals)
    yield server
    server.stop()


@pytest.fixture
def workers(settings_environment, mail_server):
    workers = Workers(settings_environment, partial(courier, mail_server, LEASE))
    yield workers
    workers.end()


@pytest.fixture
def said(tmp_path):
    """Where `flask worker` writes what it says."""
    return tmp_path / "said"


@pytest.fixture
def flask_worker(settings_environment, said):
    """Start `flask worker`, perhaps with other settings; it is killed in the end."""
    started = []

    def start(**variables):
        environ = {"PATH": os.environ["PATH"], **settings_environment, **variables}
        started.append(Python([*FLASK, "worker"], environ, said))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(10)


@pytest.fixture
def started(flask_worker, settings_environment, tmp_path):
    """Start `flask worker`, or a server, with some settings; return its process."""
    servers = []

    def start(kind, **variables):
        if kind == "flask worker":
            return flask_worker(**variables)
        environ = {**settings_environment, **variables, "GATEHOUSE_WORKERS": "1"}
        servers.append(LiveServer(environ, tmp_path / "server.log"))
        servers[-1].start()
        return servers[-1].process

    yield start
    for server in servers:
        server.kill()


@pytest.mark.stores
def test_every_message_arrives_though_a_worker_is_killed_and_the_mail_server_is_down(
    app, post, arrivals, mail_server, workers
):
    post.put(*[f"person{number}@example.com" for number in range(COUNT)])
    mail_server.start()
    workers.start(2)

    arrivals.wait_for(COUNT // 4)
    workers.kill_one()
    arrivals.wait_for(COUNT // 2)
    mail_server.stop()
    time.sleep(1)  # it is down for a second
    mail_server.start()
    arrivals.wait_for(COUNT)

    arrived = {f"<{row.id}@localhost>" for row in rows(app, OutboxMessage)}
    assert set(arrivals.accepted) == arrived
    assert (
        arrivals.duplicates <= 3
    )  # the killed worker, and what both had in hand when the line was cut


def test_a_worker_says_that_it_works_and_leaves_when_it_is_told_to(app, post, flask_worker, said):
    post.put("ada@example.com")
    process = flask_worker()

    wait_until(lambda: rows(app, OutboxMessage)[0].sent_at)
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=10) == 0
    line = "Delivering what waits in the outbox, until SIGTERM."
    assert line in said.read_text().splitlines()
    assert rows(app, OutboxMessage)[0].sent_at is not None


@pytest.mark.parametrize("kind", ["flask worker", "flask serve"])
def test_what_is_in_hand_when_the_end_is_near_is_sent_once_and_the_rest_is_free(
    app, post, started, kind
):
    with serving_mail() as mail:
        mail.handler.pause = 1.0  # a second
        process = started(kind, SMTP_URL=f"insecure-smtp://localhost:{mail.port}")
        post.put(*[f"person{number}@example.com" for number in range(10)])

        wait_until(lambda: mail.handler.begun)
        process.send_signal(signal.SIGTERM)
        process.wait(30)

    sent = [row for row in rows(app, OutboxMessage) if row.sent_at]
    assert 0 < len(sent) == len(mail.handler.received) < 10
    assert [row.leased_until for row in rows(app, OutboxMessage)] == [None] * 10


def test_a_worker_whose_database_is_away_stops_with_a_sentence(flask_worker, said, tmp_path):
    process = flask_worker(DATABASE_URL=f"sqlite:///{tmp_path}/nothing/at.all")

    assert process.wait(timeout=30) == 1
    assert "Error: The database at sqlite:///" in said.read_text()
    assert "Traceback" not in said.read_text()


@pytest.mark.settings(GATEHOUSE_ENV="production", GATEHOUSE_BCRYPT_COST=None)
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
def test_a_worker_that_has_no_channel_stops_with_a_sentence(app):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    result = app.test_cli_runner().invoke(args=["worker"])

    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert result.exit_code == 1
    assert "Error: No channel carries mail, so there is nothing to do: set SMTP_URL first.\n" in (
        result.output
    )
