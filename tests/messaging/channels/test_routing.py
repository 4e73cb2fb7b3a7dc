"""Routing: a message goes by the first channel that accepts it; wrong settings stop the start."""

from __future__ import annotations

import pytest

from app import create_app
from config import ConfigurationError, Settings
from gatehouse.core import clock, log
from gatehouse.messaging import routing, worker
from gatehouse.messaging.message import DeliveryFailed
from gatehouse.messaging.routing import MessageRouter
from tests.config.conftest import PRODUCTION
from tests.conftest import environment
from tests.log_lines import read_log_lines
from tests.mail_server import run_mail_server
from tests.servers import free_port


class FakeChannel:
    """Records messages, or raises a given failure."""

    def __init__(self, name, failure=None):
        self.name, self.failure, self.sent = name, failure, []

    def send(self, message):
        self.sent.append(message.id)
        if self.failure:
            raise self.failure


def failing_channel(reason, **options):
    return FakeChannel(reason, DeliveryFailed(reason, **options))


def send_and_fail(message, *channels):
    """Send a message and return the failure."""
    with pytest.raises(DeliveryFailed) as failed:
        MessageRouter({"email": channels}).send(message)
    return failed.value


def start_and_fail(**settings):
    """Return the error that stops the start of an application with wrong settings."""
    with pytest.raises(ConfigurationError) as stopped:
        create_app(Settings.from_environment(environment("sqlite:///x") | settings))
    return str(stopped.value)


def test_routing_uses_only_the_first_channel_that_works(message):
    first, second = FakeChannel("first"), FakeChannel("second")

    MessageRouter({"email": [first, second]}).send(message)

    assert (first.sent, second.sent) == ([message.id], [])


def test_routing_tries_the_next_channel_after_a_temporary_failure(message, capsys):
    log.configure_logging()
    first, second = failing_channel("connection lost"), FakeChannel("second")

    MessageRouter({"email": [first, second]}).send(message)

    [logged] = read_log_lines(capsys)
    assert second.sent == [message.id]
    assert (logged["channel"], logged["reason"]) == ("connection lost", "connection lost")


def test_routing_tries_no_other_channel_after_a_permanent_failure(message):
    second = FakeChannel("second")

    error = send_and_fail(message, failing_channel("no such mailbox", permanent=True), second)

    assert (error.permanent, second.sent) == (True, [])


def test_routing_reports_all_reasons_when_all_channels_fail(message):
    error = send_and_fail(message, failing_channel("One is down."), failing_channel("Two is down."))

    assert (str(error), error.permanent) == ("One is down. Two is down.", False)


@pytest.mark.parametrize(
    ("waits", "wait"), [([30, 7], 7), ([30, None], None), ([None, None], None)]
)
def test_routing_retries_after_the_shortest_wait_of_all_channels(message, waits, wait):
    channels = [failing_channel("busy", retry_after=seconds) for seconds in waits]

    assert send_and_fail(message, *channels).retry_after == wait


def test_routing_tries_no_further_channel_after_its_timeout(message, monkeypatch):
    third = FakeChannel("third")
    seconds = iter([0.0, 0.0, 25.0, 50.0])
    monkeypatch.setattr(clock, "monotonic", lambda: next(seconds))

    error = send_and_fail(
        message, failing_channel("One is stuck."), failing_channel("Two is stuck."), third
    )

    assert (str(error), third.sent) == ("One is stuck. Two is stuck.", [])


def test_routing_without_a_channel_is_a_temporary_failure(message):
    error = send_and_fail(message)

    assert (str(error), error.permanent) == ("No channel delivers e-mail.", False)


def test_routing_uses_the_second_mail_server_when_the_first_is_down(message):
    with run_mail_server() as server:
        urls = [f"insecure-smtp://127.0.0.1:{port}" for port in (free_port(), server.port)]
        settings = {"SMTP_URL": ",".join(urls), "GATEHOUSE_MAIL_FROM": "Us <us@id.example.com>"}
        app = create_app(Settings.from_environment(environment("sqlite:///x") | settings))
        with app.app_context():
            routing.send_message(message)
        for channel in routing.get_router(app).channels_by_type["email"]:
            channel.close()

    [received] = server.handler.received
    assert received.mail["From"] == "Us <us@id.example.com>"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"GATEHOUSE_MAIL_CHANNELS": "smpt"},
            "messaging/channels has no 'smpt'; it has console, sms_http, smtp",
        ),
        ({"GATEHOUSE_MAIL_CHANNELS": "smtp"}, "The channel smtp needs SMTP_URL."),
        ({"GATEHOUSE_MAIL_CHANNELS": "sms_http"}, "The channel sms_http does not deliver e-mail."),
        ({"GATEHOUSE_SMS_CHANNELS": "console, smtp"}, "The channel smtp does not deliver SMS."),
        (
            {"GATEHOUSE_SMS_GATEWAY": "twillio"},
            "There is no SMS gateway 'twillio'; there are messagebird, twilio, vonage.",
        ),
    ],
)
def test_routing_with_a_wrong_channel_or_gateway_stops_the_start(settings, sentence):
    assert start_and_fail(**settings) == sentence


def test_console_channel_is_rejected_in_production():
    with pytest.raises(ConfigurationError, match="console is for development only"):
        create_app(Settings.from_environment(PRODUCTION | {"GATEHOUSE_MAIL_CHANNELS": "console"}))


def test_production_without_channels_starts_and_logs_warnings(capsys):
    app = create_app(Settings.from_environment(PRODUCTION))
    capsys.readouterr()

    routing.warn_of_missing_channels(app)

    logged = read_log_lines(capsys)
    assert worker.create_worker(app) is None
    assert [(line["level"], line["kind"]) for line in logged] == [
        ("warning", "email"),
        ("warning", "sms"),
    ]
    assert "stays in the outbox" in logged[0]["event"]


def test_development_uses_the_console_channel_by_default(app):
    names = {
        name: [channel.name for channel in channels]
        for name, channels in routing.get_router(app).channels_by_type.items()
    }

    assert names == {"email": ["console"], "sms": ["console"]}
