"""Workers in separate processes: killed, replaced, stopped, and started without a channel."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

import pytest

from models import OutboxMessage
from tests.child_processes import FLASK, PythonProcess
from tests.live_server import LiveServer
from tests.mail_server import run_mail_server
from tests.polling import wait_until
from tests.rows import rows
from tests.smtp_fixtures import Arrivals, MailServer, Workers, delivery_command

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
    workers = Workers(settings_environment, partial(delivery_command, mail_server, LEASE))
    yield workers
    workers.end()


@pytest.fixture
def output(tmp_path):
    """Return the file with the output of `gatehouse worker`."""
    return tmp_path / "output"


@pytest.fixture
def flask_worker(settings_environment, output):
    """Start `gatehouse worker`, optionally with other settings; it is killed after the test."""
    started = []

    def start(**variables):
        environ = {"PATH": os.environ["PATH"], **settings_environment, **variables}
        started.append(PythonProcess([*FLASK, "worker"], environ, output))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(10)


@pytest.fixture
def started(flask_worker, settings_environment, tmp_path):
    """Start `gatehouse worker`, or a server, with some settings; return its process."""
    servers = []

    def start(kind, **variables):
        if kind == "gatehouse worker":
            return flask_worker(**variables)
        environ = {**settings_environment, **variables, "GATEHOUSE_WORKERS": "1"}
        servers.append(LiveServer(environ, tmp_path / "server.log"))
        servers[-1].start()
        return servers[-1].process

    yield start
    for server in servers:
        server.kill()


@pytest.mark.requirement("CF-03")
@pytest.mark.stores
def test_messages_all_arrive_although_a_worker_is_killed_and_the_mail_server_is_down(
    app, delivery, arrivals, mail_server, workers
):
    delivery.put(*[f"user{number}@example.com" for number in range(COUNT)])
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
    assert arrivals.duplicates <= 3  # one of the killed worker, two of the lost connections


def test_worker_prints_that_it_started_and_stops_on_sigterm(app, delivery, flask_worker, output):
    delivery.put("ada@example.com")
    process = flask_worker()

    wait_until(lambda: rows(app, OutboxMessage)[0].sent_at)
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=30) == 0
    line = "Delivering the messages of the outbox until SIGTERM."
    assert line in output.read_text().splitlines()
    assert rows(app, OutboxMessage)[0].sent_at is not None


@pytest.mark.parametrize("kind", ["gatehouse worker", "gatehouse serve"])
def test_worker_finishes_the_current_message_on_sigterm_and_releases_the_rest(
    app, delivery, started, kind
):
    with run_mail_server() as mail:
        mail.handler.pause = 1.0  # seconds
        process = started(kind, SMTP_URL=f"insecure-smtp://localhost:{mail.port}")
        delivery.put(*[f"user{number}@example.com" for number in range(10)])

        wait_until(lambda: mail.handler.begun)
        process.send_signal(signal.SIGTERM)
        process.wait(30)

    sent = [row for row in rows(app, OutboxMessage) if row.sent_at]
    assert 0 < len(sent) == len(mail.handler.received) < 10
    assert [row.leased_until for row in rows(app, OutboxMessage)] == [None] * 10


def test_worker_without_a_database_stops_with_an_error(flask_worker, output, tmp_path):
    process = flask_worker(DATABASE_URL=f"sqlite:///{tmp_path}/nothing/at.all")

    assert process.wait(timeout=30) == 1
    assert "Error: The database at sqlite:///" in output.read_text()
    assert "Traceback" not in output.read_text()


@pytest.mark.settings(GATEHOUSE_ENV="production", GATEHOUSE_BCRYPT_COST=None)
@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
def test_worker_without_a_channel_stops_with_an_error(app):
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    result = app.test_cli_runner().invoke(args=["worker"])

    for number, handler in handlers.items():
        signal.signal(number, handler)
    assert result.exit_code == 1
    assert "Error: No channel can send mail, so there is nothing to do: set SMTP_URL first.\n" in (
        result.output
    )
