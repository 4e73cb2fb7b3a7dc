"""Every delivery channel on the shelf keeps the same promises."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import pytest

from config import Settings
from gatehouse.core import crypto, log, plugins
from gatehouse.messaging import sms_gateway
from gatehouse.messaging.channels import smtp as smtp_channel
from gatehouse.messaging.message import DeliveryFailed, Message
from tests.conftest import environment
from tests.loopback import always, http, serving
from tests.mail_server import scripted, serving_mail
from tests.stores import free_port

SHELF = "gatehouse.messaging.channels"
PATIENCE = 30  # seconds: more than any channel may take
BRIEF = 0.5
CODE, TOKEN = "31415926", "mVnEr1GQ4zqbWzvx0aKYx8gQ3nJ4sD2hT5uL7iO9pWc"
BODY = f"Type this code: {CODE}. Or open https://id.example.com/verify-email/1#{TOKEN}"
GATEWAY = (
    'url = "http://127.0.0.1:{}/send?to={{to}}&text={{text}}"\naccepted = [{{status = [200]}}]'
)
SENT, BROKEN = http(b"{}"), http(BODY.encode(), "500 Oh")


def stuck(connection):
    """Let the client wait as long as it likes."""
    connection.recv(1)
    time.sleep(60)


@contextmanager
def smtp(kind):
    """Lend the environment of a mail server that takes mails, refuses them, or says nothing."""
    if kind == "stuck":
        with scripted(stuck) as port:
            yield {"SMTP_URL": f"insecure-smtp://127.0.0.1:{port}"}
    else:
        with serving_mail() as server:
            server.handler.answers |= {"DATA": f"451 {BODY}"} if kind == "broken" else {}
            yield {"SMTP_URL": f"insecure-smtp://127.0.0.1:{server.port}"}


@contextmanager
def sms_http(kind, folder):
    """Lend the environment of a gateway of the same kinds."""
    with (
        serving(always(SENT if kind == "working" else BROKEN)) as server,
        scripted(stuck) as silent,
    ):
        port = silent if kind == "stuck" else server.port
        (folder / "house.toml").write_text(GATEWAY.format(port))
        yield {
            "GATEHOUSE_SMS_GATEWAY": str(folder / "house.toml"),
            "GATEHOUSE_OUTBOUND_ALLOWED": f"127.0.0.1:{port}",
        }


SERVERS = {
    "console": lambda _kind, _folder: nullcontext({}),
    "smtp": lambda kind, _folder: smtp(kind),
    "sms_http": sms_http,
}


@pytest.fixture(params=plugins.names(SHELF))
def piece(request):
    return request.param, plugins.load(SHELF, [request.param])[request.param]


@pytest.fixture
def channel_to(app, piece, tmp_path):
    """Open a channel to a server that is `working`, `broken` or `stuck`."""
    name, kind_of_channel = piece
    opened = []

    @contextmanager
    def open_to(kind):
        with SERVERS[name](kind, tmp_path) as more, app.app_context():
            settings = Settings.from_environment(environment("sqlite:///x") | more)
            app.extensions["gatehouse.settings"] = settings
            [channel] = kind_of_channel.open(settings)
            opened.append(channel)
            yield channel
            if hasattr(channel, "close"):
                channel.close()

    return open_to


@pytest.fixture
def message(piece):
    _, kind = piece
    mail = Message(crypto.new_id(), "ada@example.com", "Your code", BODY, f"<p>{BODY}</p>")
    text = replace(mail, recipient="+4915112345678", subject="", html="", channel="sms")
    return mail if "email" in kind.carries else text


def refused(channel, message):
    """Return why a message was not taken, or nothing."""
    try:
        channel.send(message)
    except DeliveryFailed as problem:
        return str(problem)
    return ""


def test_every_channel_is_tried_here():
    assert SERVERS.keys() == set(plugins.names(SHELF))


def test_a_channel_says_what_it_carries_and_where_it_leads(channel_to, piece):
    name, kind = piece

    with channel_to("working") as channel:
        assert channel.name.startswith(name)
    assert set(kind.carries) <= {"email", "sms"} != set()


def test_a_message_is_taken_by_a_server_that_works(channel_to, message):
    with channel_to("working") as channel:
        channel.send(message)


@pytest.mark.parametrize("kind", ["working", "broken"])
def test_no_body_no_code_and_no_token_is_printed_logged_or_a_reason(
    channel_to, message, caplog, capfd, kind
):
    log.set_up()
    with channel_to(kind) as channel:
        reason = refused(channel, message)

    printed = capfd.readouterr()
    for secret in (BODY, CODE, TOKEN):
        assert secret not in printed.out + printed.err + caplog.text + reason


@pytest.mark.parametrize("piece", sorted(SERVERS.keys() - {"console"}), indirect=True)
def test_a_server_that_fails_is_a_temporary_failure(channel_to, message):
    with channel_to("broken") as channel, pytest.raises(DeliveryFailed) as failed:
        channel.send(message)

    assert not failed.value.permanent


def test_no_channel_waits_for_longer_than_a_lease_lasts():
    assert 1 < smtp_channel.PATIENCE.command < smtp_channel.PATIENCE.mail < PATIENCE
    assert 1 < sms_gateway.SECONDS < PATIENCE


def test_a_message_is_handed_over_within_a_bounded_time(channel_to, message, app, monkeypatch):
    monkeypatch.setattr(smtp_channel, "PATIENCE", smtp_channel.Patience(BRIEF, BRIEF, BRIEF))
    monkeypatch.setattr(sms_gateway, "SECONDS", BRIEF)
    reasons = []

    def send(channel):
        with app.app_context():
            reasons.append(refused(channel, message))

    with channel_to("stuck") as channel:
        sender = threading.Thread(target=send, args=(channel,), daemon=True)
        sender.start()
        sender.join(10 * BRIEF)

    assert len(reasons) == 1


def test_the_console_names_the_recipient_and_where_to_read(capfd):
    log.set_up()
    mail = Message(crypto.new_id(), "ada@example.com", "Confirm your e-mail address", BODY, "")
    settings = Settings.from_environment(environment("sqlite:///x"))
    [console] = plugins.load(SHELF, ["console"])["console"].open(settings)

    console.send(mail)

    line = capfd.readouterr().err
    assert "ada@example.com" in line
    assert "Confirm your e-mail address" in line
    assert "/dev/mailbox" in line


def test_a_port_without_a_server_is_a_temporary_failure(app):
    url = f"insecure-smtp://127.0.0.1:{free_port()}"
    settings = Settings.from_environment(environment("sqlite:///x") | {"SMTP_URL": url})
    [channel] = plugins.load(SHELF, ["smtp"])["smtp"].open(settings)
    mail = Message(crypto.new_id(), "ada@example.com", "Your code", BODY, "<p></p>")

    with pytest.raises(DeliveryFailed) as failed:
        channel.send(mail)

    assert not failed.value.permanent
