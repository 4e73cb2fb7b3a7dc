"""Fixtures of channels: a certificate authority, a message, SMTP channels."""

from __future__ import annotations

import ssl
from email.headerregistry import Address

import pytest
import trustme

from gatehouse.core import crypto
from gatehouse.messaging.channels.smtp import SmtpChannel, Timeouts
from gatehouse.messaging.message import Message
from gatehouse.messaging.smtp_connection import ConnectionParameters
from gatehouse.settings.mail import SmtpServer

SENDER = Address("Gatehouse", "no-reply", "id.example.com")
SHORT_TIMEOUTS = Timeouts(connect=1, command=1, mail=2, idle_timeout=20)


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def message():
    html = "<p>Your code is <b>31415926</b>.</p>"
    return Message(crypto.new_id(), "ada@example.com", "Your code", "It is 31415926.\n", html)


@pytest.fixture
def create_channel(authority):
    """Return a function that creates SMTP channels to servers on this machine.

    `create_channel(port, "smtps", user=...)`: the options are those of SmtpServer.
    """
    channels = []

    def create(port, scheme="insecure-smtp", timeouts=SHORT_TIMEOUTS, trust=authority, **login):
        context = ssl.create_default_context()
        trust.configure_trust(context)
        server = SmtpServer(scheme, "localhost", port, **login)
        seconds = (timeouts.connect, timeouts.command)
        parameters = ConnectionParameters(server, context, "id.example.com", *seconds)
        channels.append(SmtpChannel(parameters, SENDER, timeouts))
        return channels[-1]

    yield create
    for channel in channels:
        channel.close()
