"""`gatehouse serve`: one server per port, and workers that are restarted and never left alone."""

import json
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from gatehouse.cli.restarts import RestartSchedule
from tests.child_processes import run_flask
from tests.conftest import environment
from tests.live_server import LiveServer, running_server
from tests.polling import wait_until
from tests.servers import is_free

READY_WITH_A_FAILING_WORKER = {"status": "ready", "degraded": ["workers"]}
FAILING_WORKER = "gatehouse_workers_failing 1.0"


def workers_of(server):
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for_replacement(server, known):
    wait_until(lambda: set(workers_of(server)) - known)
    (replacement,) = set(workers_of(server)) - known
    return replacement


def responds(server):
    with suppress(requests.ConnectionError):
        return server.get("/health/live").status_code == 200


def log_lines(server):
    return [json.loads(line) for line in server.log.read_text().splitlines() if line[:1] == "{"]


def test_serve_rejects_a_port_in_use_and_the_server_on_it_is_not_affected(live, tmp_path):
    other = environment(f"sqlite:///{tmp_path}/other.sqlite3") | {
        "PORT": str(live.port),
        "PATH": os.environ["PATH"],
        "TMPDIR": live.environment["TMPDIR"],
    }
    live.get("/.well-known/jwks.json")
    keys = live.get("/.well-known/jwks.json").json

    second = run_flask("serve", environment=other)

    assert second.returncode == 1
    assert second.stderr.splitlines()[-1] == (
        f"Error: Another program already listens on 127.0.0.1:{live.port}; it may be another"
        " Gatehouse. Stop it, or set PORT to another port."
    )
    assert "listens on http" not in second.stdout
    assert not (tmp_path / "other.sqlite3").exists()
    assert [live.get("/.well-known/jwks.json").json for _ in range(10)] == [keys] * 10
    assert 'route="/.well-known/jwks.json"' in live.get("/metrics").text


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("127.0.0.1", "Another program already listens on 127.0.0.1:{port}"),
        ("192.0.2.1", "GATEHOUSE_HOST is 192.0.2.1, which is not an IP address of this machine."),
    ],
)
def test_serve_says_why_it_cannot_listen(store, host, sentence):
    with socket.create_server(("127.0.0.1", 0)) as foreign:
        port = foreign.getsockname()[1]
        settings = environment(store) | {"GATEHOUSE_HOST": host, "PORT": str(port)}
        settings["GATEHOUSE_INSECURE_DEVELOPMENT_ON_NETWORK"] = "true"
        result = run_flask("serve", environment={"PATH": os.environ["PATH"], **settings})

    assert result.returncode == 1
    assert sentence.format(port=port) in result.stderr
    assert "listens on http" not in result.stdout
    assert "Traceback" not in result.stderr


def test_serve_keeps_serving_while_a_worker_fails_and_workers_end_with_their_server(live):
    survivor, victim = workers_of(live)

    for _ in range(2):
        os.kill(victim, signal.SIGKILL)
        assert responds(live)
        victim = wait_for_replacement(live, {survivor, victim})

    wait_until(lambda: live.get("/health/ready").json == READY_WITH_A_FAILING_WORKER)
    assert FAILING_WORKER in live.get("/metrics").text
    assert "gatehouse_worker_exits_total 2.0" in live.get("/metrics").text
    ends = [line for line in log_lines(live) if "ended unexpectedly" in line["event"]]
    assert [(line["exit"], line["restart_in_seconds"]) for line in ends] == [(-9, 0.0), (-9, 1.0)]

    os.kill(live.process.pid, signal.SIGKILL)
    wait_until(lambda: is_free(live.port))
    assert "The main process has ended, so this worker stops." in live.log.read_text()


@pytest.mark.settings(GATEHOUSE_ENV="production", GATEHOUSE_PUBLIC_URL="https://auth.example.com")
@pytest.mark.settings(GATEHOUSE_HOST="127.0.0.1", GATEHOUSE_BCRYPT_COST=None)
@pytest.mark.settings(SMTP_URL="insecure-smtp://mailpit:25", GATEHOUSE_MAIL_FROM="us@example.com")
@pytest.mark.settings(GATEHOUSE_INSECURE_PLAINTEXT_MAIL="true")
@pytest.mark.settings(GATEHOUSE_SERVICE_HOST="10.96.14.2", GATEHOUSE_KEEP_ALIVE="1")
def test_serve_in_production_logs_that_it_listens_and_removes_its_metrics(live):
    (line,) = [line for line in log_lines(live) if line["event"] == "Gatehouse listens."]
    (injected,) = [line for line in log_lines(live) if "service links" in line["event"]]
    folders = list(live.log.parent.glob("gatehouse-metrics-*"))
    with socket.create_connection(("127.0.0.1", live.port), timeout=9) as idle:
        assert idle.recv(1) == b""  # closed after GATEHOUSE_KEEP_ALIVE, not after 10 s

    live.stop()

    undelivered = [line for line in log_lines(live) if "No channel delivers" in line["event"]]
    assert [(line["level"], line["kind"]) for line in undelivered] == [("warning", "sms")]
    assert injected["variables"] == ["GATEHOUSE_SERVICE_HOST"]

    assert line["listens_on"] == f"127.0.0.1:{live.port}"
    assert (line["public_url"], line["workers"]) == ("https://auth.example.com", 2)
    assert line["version"]
    assert len(folders) == 1
    assert str(live.port) not in folders[0].name
    assert not folders[0].exists()


def test_restarts_wait_longer_after_each_failure_and_failures_are_forgotten():
    schedule, now, delays = RestartSchedule(), 1000.0, []
    for _ in range(9):
        delay = schedule.add(1, now)
        assert schedule.take_due(now + delay - 0.01) == []
        assert schedule.take_due(now + delay) == [1]
        delays.append(delay)
        now += delay + 59

    assert delays == [0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert schedule.count_failing() == 1
    schedule.forget_recovered(now + 1)
    assert schedule.count_failing() == 0
    assert schedule.seconds_until_next(now) is None


def test_serve_keeps_its_workers_when_the_settings_read_at_sighup_are_invalid(tmp_path, store):
    tokens = tmp_path / "token"
    tokens.write_text("a-long-enough-metrics-token")
    settings = environment(store) | {"GATEHOUSE_METRICS_TOKEN_FILE": str(tokens)}
    with running_server(LiveServer(settings, tmp_path / "server.log")) as server:
        before = workers_of(server)
        tokens.write_text("short")
        os.kill(server.process.pid, signal.SIGHUP)
        wait_until(lambda: "The workers are not replaced." in server.log.read_text())

        assert workers_of(server) == before
        assert responds(server)
