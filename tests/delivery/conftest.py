"""Fixtures of deliveries: a channel of the tests, an authority, channels closed in the end."""

from __future__ import annotations

import ssl
import threading
from email.headerregistry import Address

import pytest
import sqlalchemy as sa
import trustme

from gatehouse.delivery import outbox, queue, worker
from gatehouse.delivery.channels.smtp import Patience, Smtp
from gatehouse.delivery.message import Letter, Message
from gatehouse.delivery.smtp_connection import Line
from gatehouse.foundation import crypto
from gatehouse.foundation.database import db, writing
from gatehouse.foundation.visitor import NOBODY
from gatehouse.options.mail import MailServer
from models import OutboxMessage

CIRCUMSTANCES = {"asked": "today", "address": "192.0.2.7", "device": "Firefox on Linux"}
SENDER = Address("Gatehouse", "no-reply", "id.example.com")
BRIEF = Patience(command=1, mail=2, rest=20)


class Post:
    """An outbox, the messages that a channel was handed, and the problems that it makes."""

    def __init__(self, app):
        self.app, self.sent, self.problems, self.tried = app, [], {}, []
        self._lock = threading.Lock()

    def put(self, *recipients, **more):
        """Write a message to each of these."""
        with self.app.app_context(), writing():
            for recipient in recipients:
                outbox.put(Letter(recipient, "address_known", CIRCUMSTANCES, **more), NOBODY)
                db.session.flush()
            db.session.commit()

    def carry(self, message):
        """What a channel does: raise the problem of the recipient or of all, or keep it."""
        with self._lock:
            self.tried.append(message.recipient)
            problem = self.problems.get(message.recipient) or self.problems.get("all")
            if problem:
                raise problem
            self.sent.append(message)

    def courier(self):
        """Return a worker that knows nothing yet."""
        return worker.Courier(self.carry)

    def deliver(self, courier=None):
        """Deliver until nothing is due."""
        courier = courier or self.courier()
        with self.app.app_context():
            while courier.deliver_due():
                pass

    def claim(self, most=worker.BATCH, without=()):
        """Take messages and commit that; a worker that dies now has taken them with it."""
        with self.app.app_context():
            with writing():
                claims = queue.claim(most, without)
            db.session.commit()
            return claims

    def settle(self, act, *arguments):
        """Commit what has become of a message; return what the queue says."""
        with self.app.app_context():
            with writing():
                result = act(*arguments)
            db.session.commit()
            return result

    def change(self, **values):
        """Change all rows."""
        with self.app.app_context():
            db.session.execute(sa.update(OutboxMessage).values(values))
            db.session.commit()

    @property
    def recipients(self):
        """Whom the messages went to that were handed over, in that order."""
        return [message.recipient for message in self.sent]


@pytest.fixture
def post(app):
    return Post(app)


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
        line = Line(MailServer(scheme, host, port, **who), context, "id.example.com", 1)
        opened.append(Smtp(line, SENDER, patience))
        return opened[-1]

    yield make
    for channel in opened:
        channel.close()
