"""The receivers of webhooks in the documentation: they accept ours, once, and nothing forged."""

import base64
import hmac
import json
import os
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from uuid import uuid4

import pytest

from gatehouse.core.events import UserChanged, publish
from gatehouse.database.session import db, write_transaction
from gatehouse.hooks import definitions, deliveries
from gatehouse.hooks.definitions import HookChange
from gatehouse.hooks.deliveries import ReplayRequest
from gatehouse.hooks.delivery_worker import WebhookWorker
from gatehouse.web.request_context import NO_REQUEST
from models import WebhookDelivery
from tests.node_packages import NODE
from tests.rows import rows

EXAMPLES = Path(__file__).parents[2] / "docs/examples/webhooks"
PROGRAMS = {
    "python": [sys.executable, EXAMPLES / "receiver.py"],
    "node": [NODE, EXAMPLES / "receiver.mjs"],
}
pytestmark = pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="127.0.0.1")


@contextmanager
def running(program, secret):
    """Run a receiver; yield the process and its port."""
    environment = {**os.environ, "WEBHOOK_SECRET": secret, "PORT": "0"}
    with subprocess.Popen(
        [str(part) for part in program], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, int(process.stdout.readline().rpartition(":")[2])
        finally:
            process.kill()


def post(port, headers, body):
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("POST", "/", body, headers)
        return connection.getresponse().status


def sign(secret, body, age=0, message_id="an id"):
    timestamp = str(int(time.time()) - age)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(signature).decode(),
    }


def deliver(app):
    with app.app_context():
        WebhookWorker().deliver_due()


@pytest.mark.parametrize("language", PROGRAMS)
def test_webhook_receiver_of_the_documentation_accepts_each_event_once(app, language):
    user_id, url = uuid4(), "https://hooks.example.com"
    with app.app_context():
        change = HookChange("crm", url, events=["user.changed"])
        created = definitions.create_hook("webhook", change, NO_REQUEST)
        db.session.commit()
        with write_transaction():
            publish(UserChanged(user_id, NO_REQUEST, ("name",)))
        db.session.commit()
        hook_id, secret = created.row.id, created.secret

    with running(PROGRAMS[language], secret) as (process, port):
        with app.app_context():
            change = HookChange(url=f"http://127.0.0.1:{port}/")
            definitions.change_hook(hook_id, change, NO_REQUEST)
            rotated = definitions.rotate_secret(hook_id, definitions.MAX_OVERLAP, NO_REQUEST)
            db.session.commit()
        deliver(app)
        [row] = rows(app, WebhookDelivery)
        with app.app_context():
            deliveries.replay_events(hook_id, ReplayRequest(row.event_id), NO_REQUEST)
            db.session.commit()
        deliver(app)
        with app.app_context():
            assert deliveries.send_test(hook_id, NO_REQUEST).delivered
        lines = [process.stdout.readline(), process.stdout.readline()]

    assert rotated.secret != secret  # the receiver still has the previous one
    assert [row.state for row in rows(app, WebhookDelivery)] == ["delivered"]
    assert lines[0].startswith("user.changed ")
    assert str(user_id) in lines[0]
    assert lines[1].startswith("hook.test ")  # the repeated event is not stored again


@pytest.mark.parametrize("language", PROGRAMS)
def test_webhook_receiver_of_the_documentation_rejects_what_is_forged_or_old(language):
    secret, other = ("whsec_" + base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    body = json.dumps({"id": "an id", "type": "user.changed", "data": {}}).encode()
    valid = sign(secret, body)

    with running(PROGRAMS[language], secret) as (_, port):
        accepted = post(port, valid, body)
        rejected = [
            post(port, sign(other, body), body),
            post(port, sign(secret, body, age=400), body),
            post(port, sign(secret, body, age=-400), body),
            post(port, valid, body + b" "),
            post(port, valid | {"webhook-id": "another"}, body),
            post(port, valid | {"webhook-timestamp": "x"}, body),
            post(port, valid | {"webhook-signature": "v1,"}, body),
            post(port, {}, body),
        ]

    assert accepted == 204
    assert rejected == [401] * 8
