"""The contract of delivery channels, run against every plugin."""

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
from tests.loopback_server import http_response, loopback_server, respond_with
from tests.mail_server import run_mail_server, run_scripted_server
from tests.servers import free_port

PACKAGE = "gatehouse.messaging.channels"
MAX_SECONDS = 30  # that a channel may take
SHORT_TIMEOUT = 0.5
CODE, TOKEN = "31415926", "mVnEr1GQ4zqbWzvx0aKYx8gQ3nJ4sD2hT5uL7iO9pWc"
BODY = f"Type this code: {CODE}. Or open https://id.example.com/verify-email/1#{TOKEN}"
GATEWAY = (
    'url = "http://127.0.0.1:{}/send?to={{to}}&text={{text}}"\naccepted = [{{status = [200]}}]'
)
SUCCESS, FAILURE = http_response(b"{}"), http_response(BODY.encode(), "500 Oh")


def send_nothing(connection):
    """Accept a connection and never send anything."""
    connection.recv(1)
    time.sleep(60)


@contextmanager
def run_smtp(state):
    """Run a mail server that is working, broken or stuck; yield its environment variables."""
    if state == "stuck":
        with run_scripted_server(send_nothing) as port:
            yield {"SMTP_URL": f"insecure-smtp://127.0.0.1:{port}"}
    else:
        with run_mail_server() as server:
            server.handler.answers |= {"DATA": f"451 {BODY}"} if state == "broken" else {}
            yield {"SMTP_URL": f"insecure-smtp://127.0.0.1:{server.port}"}


@contextmanager
def run_sms_http(state, folder):
    """Run an SMS gateway in one of these states; yield its environment variables."""
    with (
        loopback_server(respond_with(SUCCESS if state == "working" else FAILURE)) as server,
        run_scripted_server(send_nothing) as stuck_port,
    ):
        port = stuck_port if state == "stuck" else server.port
        (folder / "gateway.toml").write_text(GATEWAY.format(port))
        yield {
            "GATEHOUSE_SMS_GATEWAY": str(folder / "gateway.toml"),
            "GATEHOUSE_EGRESS_ALLOWLIST": f"127.0.0.1:{port}",
        }


SERVERS = {
    "console": lambda _state, _folder: nullcontext({}),
    "smtp": lambda state, _folder: run_smtp(state),
    "sms_http": run_sms_http,
}


@pytest.fixture(params=plugins.list_names(PACKAGE))
def plugin(request):
    return request.param, plugins.load(PACKAGE, [request.param])[request.param]


@pytest.fixture
def create_channel(app, plugin, tmp_path):
    """Return a function that yields a channel to a server that is working, broken or stuck."""
    name, factory = plugin

    @contextmanager
    def create(state):
        with SERVERS[name](state, tmp_path) as variables, app.app_context():
            settings = Settings.from_environment(environment("sqlite:///x") | variables)
            app.extensions["gatehouse.settings"] = settings
            [channel] = factory.create(settings)
            yield channel
            if hasattr(channel, "close"):
                channel.close()

    return create


@pytest.fixture
def message(plugin):
    _, factory = plugin
    mail = Message(crypto.new_id(), "ada@example.com", "Your code", BODY, f"<p>{BODY}</p>")
    sms = replace(mail, recipient="+4915112345678", subject="", html="", channel="sms")
    return mail if "email" in factory.message_types else sms


def send(channel, message):
    """Send a message; return the reason of a failure, or ""."""
    try:
        channel.send(message)
    except DeliveryFailed as error:
        return str(error)
    return ""


def test_channel_plugins_are_all_tested():
    assert SERVERS.keys() == set(plugins.list_names(PACKAGE))


def test_channel_has_message_types_and_a_name(create_channel, plugin):
    name, factory = plugin

    with create_channel("working") as channel:
        assert channel.name.startswith(name)
    assert set(factory.message_types) <= {"email", "sms"} != set()


def test_channel_delivers_to_a_working_server(create_channel, message):
    with create_channel("working") as channel:
        channel.send(message)


@pytest.mark.parametrize("state", ["working", "broken"])
def test_channel_never_prints_logs_or_reports_the_body(
    create_channel, message, caplog, capfd, state
):
    log.configure_logging()
    with create_channel(state) as channel:
        reason = send(channel, message)

    printed = capfd.readouterr()
    for secret in (BODY, CODE, TOKEN):
        assert secret not in printed.out + printed.err + caplog.text + reason


@pytest.mark.parametrize("plugin", sorted(SERVERS.keys() - {"console"}), indirect=True)
def test_channel_failure_of_the_server_is_temporary(create_channel, message):
    with create_channel("broken") as channel, pytest.raises(DeliveryFailed) as failed:
        channel.send(message)

    assert not failed.value.permanent


def test_channel_timeouts_are_shorter_than_a_lease():
    assert 1 < smtp_channel.TIMEOUTS.command < smtp_channel.TIMEOUTS.mail < MAX_SECONDS
    assert 1 < sms_gateway.TIMEOUT_SECONDS < MAX_SECONDS


def test_channel_gives_up_within_a_bounded_time(create_channel, message, app, monkeypatch):
    monkeypatch.setattr(
        smtp_channel, "TIMEOUTS", smtp_channel.Timeouts(SHORT_TIMEOUT, SHORT_TIMEOUT, SHORT_TIMEOUT)
    )
    monkeypatch.setattr(sms_gateway, "TIMEOUT_SECONDS", SHORT_TIMEOUT)
    reasons = []

    def send_in_context(channel):
        with app.app_context():
            reasons.append(send(channel, message))

    with create_channel("stuck") as channel:
        sender = threading.Thread(target=send_in_context, args=(channel,), daemon=True)
        sender.start()
        sender.join(MAX_SECONDS)

    assert len(reasons) == 1


def test_console_channel_logs_the_recipient_and_where_to_read(capfd):
    log.configure_logging()
    mail = Message(crypto.new_id(), "ada@example.com", "Confirm your e-mail address", BODY, "")
    settings = Settings.from_environment(environment("sqlite:///x"))
    [console] = plugins.load(PACKAGE, ["console"])["console"].create(settings)

    console.send(mail)

    line = capfd.readouterr().err
    assert "ada@example.com" in line
    assert "Confirm your e-mail address" in line
    assert "/dev/mailbox" in line


def test_smtp_channel_without_a_server_fails_temporarily(app):
    url = f"insecure-smtp://127.0.0.1:{free_port()}"
    settings = Settings.from_environment(environment("sqlite:///x") | {"SMTP_URL": url})
    [channel] = plugins.load(PACKAGE, ["smtp"])["smtp"].create(settings)
    mail = Message(crypto.new_id(), "ada@example.com", "Your code", BODY, "<p></p>")

    with pytest.raises(DeliveryFailed) as failed:
        channel.send(mail)

    assert not failed.value.permanent
