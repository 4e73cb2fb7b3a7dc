"""A message goes by the first channel that takes it; what cannot be meant stops the start."""

from __future__ import annotations

import pytest

from app import create_app
from config import ConfigurationError, Settings
from gatehouse.core import clock, log
from gatehouse.messaging import routing, worker
from gatehouse.messaging.message import DeliveryFailed
from gatehouse.messaging.routing import Routes
from tests.config.conftest import PRODUCTION
from tests.conftest import environment
from tests.logged import lines
from tests.mail_server import serving_mail
from tests.stores import free_port


class Way:
    """A channel that remembers what it was handed, or fails as a test says."""

    def __init__(self, name, failure=None):
        self.name, self.failure, self.sent = name, failure, []

    def send(self, message):
        self.sent.append(message.id)
        if self.failure:
            raise self.failure


def failing(reason, **more):
    return Way(reason, DeliveryFailed(reason, **more))


def failure(message, *ways):
    with pytest.raises(DeliveryFailed) as failed:
        Routes({"email": ways}).send(message)
    return failed.value


def refusal(**more):
    """Return the sentence with which an application is not made."""
    with pytest.raises(ConfigurationError) as refused:
        create_app(Settings.from_environment(environment("sqlite:///x") | more))
    return str(refused.value)


def test_the_first_channel_that_works_is_the_only_one_that_is_used(message):
    first, second = Way("first"), Way("second")

    Routes({"email": [first, second]}).send(message)

    assert (first.sent, second.sent) == ([message.id], [])


def test_what_is_temporary_goes_by_the_next_channel(message, capsys):
    log.set_up()
    first, second = failing("the line is cut"), Way("second")

    Routes({"email": [first, second]}).send(message)

    [told] = lines(capsys)
    assert second.sent == [message.id]
    assert (told["channel"], told["reason"]) == ("the line is cut", "the line is cut")


def test_what_is_final_is_not_tried_elsewhere(message):
    second = Way("second")

    problem = failure(message, failing("nobody there", permanent=True), second)

    assert (problem.permanent, second.sent) == (True, [])


def test_when_all_fail_all_reasons_are_told_and_the_message_waits(message):
    problem = failure(message, failing("One is down."), failing("Two is down."))

    assert (str(problem), problem.permanent) == ("One is down. Two is down.", False)


@pytest.mark.parametrize(
    ("waits", "wait"), [([30, 7], 7), ([30, None], None), ([None, None], None)]
)
def test_a_message_waits_until_the_first_channel_wants_it_again(message, waits, wait):
    ways = [failing("busy", retry_after=seconds) for seconds in waits]

    assert failure(message, *ways).retry_after == wait


def test_nobody_waits_for_a_third_channel_when_two_were_stuck(message, monkeypatch):
    third = Way("third")
    seconds = iter([0.0, 0.0, 25.0, 50.0])
    monkeypatch.setattr(clock, "monotonic", lambda: next(seconds))

    problem = failure(message, failing("One is stuck."), failing("Two is stuck."), third)

    assert (str(problem), third.sent) == ("One is stuck. Two is stuck.", [])


def test_without_a_channel_a_message_waits(message):
    problem = failure(message)

    assert (str(problem), problem.permanent) == ("Nothing carries mails.", False)


def test_a_second_mail_server_takes_over_from_one_that_is_down(message):
    with serving_mail() as server:
        urls = [f"insecure-smtp://127.0.0.1:{port}" for port in (free_port(), server.port)]
        more = {"SMTP_URL": ",".join(urls), "GATEHOUSE_MAIL_FROM": "Us <us@id.example.com>"}
        app = create_app(Settings.from_environment(environment("sqlite:///x") | more))
        with app.app_context():
            routing.carry(message)
        for channel in routing.routes(app).by_kind["email"]:
            channel.close()

    [received] = server.handler.received
    assert received.mail["From"] == "Us <us@id.example.com>"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"GATEHOUSE_MAIL_CHANNELS": "smpt"},
            "delivery/channels has no 'smpt'; it has console, sms_http, smtp",
        ),
        ({"GATEHOUSE_MAIL_CHANNELS": "smtp"}, "The channel smtp needs SMTP_URL."),
        ({"GATEHOUSE_MAIL_CHANNELS": "sms_http"}, "The channel sms_http carries no mails."),
        ({"GATEHOUSE_SMS_CHANNELS": "console, smtp"}, "The channel smtp carries no texts."),
        (
            {"GATEHOUSE_SMS_GATEWAY": "twillio"},
            "There is no SMS gateway 'twillio'; there are messagebird, twilio, vonage.",
        ),
    ],
)
def test_an_unknown_channel_or_gateway_stops_the_start_with_one_sentence(more, sentence):
    assert refusal(**more) == sentence


def test_production_has_no_console():
    with pytest.raises(ConfigurationError, match="console is for development only"):
        create_app(Settings.from_environment(PRODUCTION | {"GATEHOUSE_MAIL_CHANNELS": "console"}))


def test_production_without_channels_starts_and_says_so_loudly(capsys):
    app = create_app(Settings.from_environment(PRODUCTION))
    capsys.readouterr()

    routing.warn(app)

    told = lines(capsys)
    assert worker.courier(app) is None
    assert [(line["level"], line["kind"]) for line in told] == [
        ("error", "email"),
        ("error", "sms"),
    ]
    assert "wait in the outbox" in told[0]["event"]


def test_development_reads_everything_in_the_console(app):
    names = {kind: [c.name for c in ways] for kind, ways in routing.routes(app).by_kind.items()}

    assert names == {"email": ["console"], "sms": ["console"]}
