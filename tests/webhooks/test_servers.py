"""Servers and `gatehouse worker` deliver events in their background threads."""

import os

import pytest

from tests.child_processes import FLASK, PythonProcess, run_flask
from tests.client import Client, User
from tests.polling import wait_until
from tests.webhook_receiver import webhook_receiver

pytestmark = pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="127.0.0.1")


def create_webhook(environment, url, *events):
    subscribed = [argument for name in events for argument in ("--event", name)]
    command = ("hooks", "create", "webhook", "crm", url, *subscribed)
    assert run_flask(*command, environment=environment).returncode == 0


def types_of(receiver):
    return [event["type"] for event in receiver.events]


def test_server_delivers_events_of_a_webhook_that_is_created_while_it_runs(live):
    live_client = Client(live.new_connection)
    ada = User("ada@example.com")
    live_client.sign_up(ada)
    with webhook_receiver() as receiver:
        create_webhook(live.environment, receiver.url, "user.signed_in")

        def is_notified():
            live_client.log_in(ada)  # until all workers know the webhook
            return receiver.requests

        wait_until(is_notified)

    assert set(types_of(receiver)) == {"user.signed_in"}


@pytest.mark.settings(SMTP_URL="smtp://127.0.0.1:1")
def test_worker_command_delivers_events(settings_environment, app, tmp_path):
    environment = {"PATH": os.environ["PATH"], **settings_environment}
    process = PythonProcess([*FLASK, "worker"], environment, tmp_path / "output")
    try:
        with webhook_receiver() as receiver:
            create_webhook(environment, receiver.url, "user.created")
            created = run_flask("users", "create", "eve@example.com", environment=environment)
            assert created.returncode == 0
            wait_until(lambda: receiver.requests)
    finally:
        process.terminate()
        code = process.wait(60)
        process.kill()

    assert types_of(receiver) == ["user.created"]
    assert code == 0
