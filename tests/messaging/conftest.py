"""A channel of the tests, and what a worker and an operator do."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db, writing
from gatehouse.messaging import outbox, outbox_queue, worker
from gatehouse.messaging.message import Letter
from gatehouse.web.request_context import NOBODY
from models import OutboxMessage

CIRCUMSTANCES = {"asked": "today", "address": "192.0.2.7", "device": "Firefox on Linux"}


class Post:
    """An outbox, the messages that a channel was handed, and the problems that it makes."""

    def __init__(self, app):
        self.app, self.sent, self.problems, self.tried = app, [], {}, []
        self._lock = threading.Lock()

    def put(self, *recipients, **more):
        """Write a message to each of these."""
        with self.app.app_context(), writing():
            for recipient in recipients:
                outbox.put(Letter(recipient, "account_exists", CIRCUMSTANCES, **more), NOBODY)
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
                claims = outbox_queue.claim(most, without)
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
