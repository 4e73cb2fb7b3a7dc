"""A delivery harness: an outbox, a recording channel, and workers that use both."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db, write_transaction
from gatehouse.messaging import outbox, outbox_queue, worker
from gatehouse.messaging.message import MessageRequest
from gatehouse.web.request_context import NO_REQUEST
from models import OutboxMessage

REQUEST_VARIABLES = {"asked": "today", "address": "192.0.2.7", "device": "Firefox on Linux"}


class Delivery:
    """An outbox, the messages that a channel accepted, and the errors that it raises."""

    def __init__(self, app):
        self.app, self.sent, self.errors, self.tried = app, [], {}, []
        self._lock = threading.Lock()

    def put(self, *recipients, **options):
        """Write a message to each recipient."""
        with self.app.app_context(), write_transaction():
            for recipient in recipients:
                message = MessageRequest(recipient, "account_exists", REQUEST_VARIABLES, **options)
                outbox.put(message, NO_REQUEST)
                db.session.flush()
            db.session.commit()

    def send(self, message):
        """Act as a channel: raise the error of the recipient or of `all`, or record the message."""
        with self._lock:
            self.tried.append(message.recipient)
            error = self.errors.get(message.recipient) or self.errors.get("all")
            if error:
                raise error
            self.sent.append(message)

    def create_worker(self):
        """Return a new worker that delivers to this channel."""
        return worker.DeliveryWorker(self.send)

    def deliver(self, delivery_worker=None):
        """Deliver until nothing is due."""
        delivery_worker = delivery_worker or self.create_worker()
        with self.app.app_context():
            while delivery_worker.deliver_due():
                pass

    def lease(self, limit=worker.BATCH, excluded_channels=()):
        """Lease messages and commit, as a worker does before it sends."""
        with self.app.app_context():
            with write_transaction():
                leases = outbox_queue.lease_messages(limit, excluded_channels)
            db.session.commit()
            return leases

    def commit(self, action, *arguments):
        """Run a function of the queue in a transaction; return its result."""
        with self.app.app_context():
            with write_transaction():
                result = action(*arguments)
            db.session.commit()
            return result

    def update_rows(self, **values):
        """Set columns of all rows."""
        with self.app.app_context():
            db.session.execute(sa.update(OutboxMessage).values(values))
            db.session.commit()

    @property
    def recipients(self):
        """The recipients of the accepted messages, in order."""
        return [message.recipient for message in self.sent]


@pytest.fixture
def delivery(app):
    return Delivery(app)
