"""Every delivery channel on the shelf keeps the same promises."""

import threading

import pytest

from gatehouse.delivery.message import Message
from gatehouse.foundation import crypto, logs, shelf

SHELF = "gatehouse.delivery.channels"
PATIENCE = 30  # seconds: more than any channel may take
CODE, TOKEN = "31415926", "mVnEr1GQ4zqbWzvx0aKYx8gQ3nJ4sD2hT5uL7iO9pWc"
BODY = f"Type this code: {CODE}. Or open https://id.example.com/verify-email/1#{TOKEN}"


@pytest.fixture(params=shelf.names(SHELF))
def channel(request):
    return shelf.load(SHELF, [request.param])[request.param]


@pytest.fixture
def message():
    page = f"<p>{BODY}</p>"
    return Message(crypto.new_id(), "ada@example.com", "Confirm your address", BODY, page)


@pytest.fixture
def written(caplog, capfd, channel, message):
    """Everything that a process prints while the channel sends the message."""
    logs.set_up()
    channel.send(message)
    printed = capfd.readouterr()
    return printed.out + printed.err + caplog.text


def test_no_body_no_code_and_no_token_is_printed_or_logged(written):
    for secret in (BODY, CODE, TOKEN):
        assert secret not in written


def test_a_message_is_handed_over_within_a_bounded_time(channel, message):
    sender = threading.Thread(target=channel.send, args=(message,), daemon=True)

    sender.start()
    sender.join(PATIENCE)

    assert not sender.is_alive()


def test_the_console_names_the_recipient_and_where_to_read(capfd, message):
    logs.set_up()

    shelf.load(SHELF, ["console"])["console"].send(message)

    line = capfd.readouterr().err
    assert "ada@example.com" in line
    assert "Confirm your address" in line
    assert "/dev/mailbox" in line
