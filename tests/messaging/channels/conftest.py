"""Fixtures of deliveries: an authority, a message, channels that are closed in the end."""

from __future__ import annotations

import ssl
from email.headerregistry import Address

import pytest
import trustme

from gatehouse.core import crypto
from gatehouse.messaging.channels.smtp import Patience, Smtp
from gatehouse.messaging.message import Message
from gatehouse.messaging.smtp_connection import Line
from gatehouse.settings.mail import MailServer

SENDER = Address("Gatehouse", "no-reply", "id.example.com")
BRIEF = Patience(connect=1, command=1, mail=2, rest=20)


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def message():
    page = "<p>Your code is <b>31415926</b>.</p>"
    return Message(crypto.new_id(), "ada@example.com", "Your code", "It is 31415926.\n", page)


@pytest.fixture
def mail_to(authority):
    """Make channels to servers on this machine: mail_to(port, scheme="smtps", user=...)."""
    opened = []

    def make(
        port, scheme="insecure-smtp", patience=BRIEF, host="localhost", trust=authority, **who
    ):
        context = ssl.create_default_context()
        trust.configure_trust(context)
        where, waits = MailServer(scheme, host, port, **who), (patience.connect, patience.command)
        line = Line(where, context, "id.example.com", *waits)
        opened.append(Smtp(line, SENDER, patience))
        return opened[-1]

    yield make
    for channel in opened:
        channel.close()
