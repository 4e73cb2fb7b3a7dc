"""The outbox: a message is a row of the transaction that causes it, and is delivered once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa
import time_machine

from gatehouse.database.session import db, write_transaction
from gatehouse.messaging import outbox, worker
from gatehouse.messaging.message import DeliveryFailed, MessageRequest
from gatehouse.web.request_context import NO_REQUEST
from models import AuditEvent, OutboxMessage
from tests.mail_links import advance_clock, read_mail, token_of
from tests.parallel import run_in_parallel
from tests.rows import rows

pytestmark = pytest.mark.stores

ADA = "ada@example.com"
REQUEST_VARIABLES = {"asked": "today", "address": "192.0.2.7", "device": "Firefox on Linux"}


class Channel:
    """Records messages, and fails while `broken` is set."""

    def __init__(self):
        self.sent, self.broken, self.connections = [], False, []
        self._lock = threading.Lock()

    def send(self, message):
        with self._lock:
            self.connections.append(db.engine.pool.checkedout())
            if self.broken:
                raise DeliveryFailed("connection lost")
            self.sent.append(message)


@pytest.fixture
def channel():
    return Channel()


def put(app, *recipients):
    with app.app_context(), write_transaction():
        for recipient in recipients:
            outbox.put(MessageRequest(recipient, "account_exists", REQUEST_VARIABLES), NO_REQUEST)
        db.session.commit()


def update_rows(app, **values):
    with app.app_context():
        db.session.execute(sa.update(OutboxMessage).values(values))
        db.session.commit()


def deliver(app, channel):
    """Deliver a batch of due messages; return how many were tried."""
    with app.app_context():
        return worker.DeliveryWorker(channel.send).deliver_due()


def deliver_all(app, channel):
    while deliver(app, channel):
        pass


def test_message_of_a_registration_is_delivered_once(app, client, channel):
    client.register(ADA)

    deliver_all(app, channel)
    deliver_all(app, channel)

    [row] = rows(app, OutboxMessage)
    [message] = channel.sent
    assert (message.id, message.recipient) == (row.id, ADA)
    assert message.subject == "Confirm your e-mail address"
    assert read_mail(client, ADA)["code"] in message.text
    assert read_mail(client, ADA)["code"] in message.html
    assert row.sent_at is not None
    assert (row.attempts, row.leased_until) == (1, None)


def test_message_of_a_rolled_back_transaction_does_not_exist(app):
    with app.app_context(), write_transaction():
        outbox.put(MessageRequest(ADA, "account_exists", REQUEST_VARIABLES), NO_REQUEST)
        db.session.flush()
        db.session.rollback()

    assert rows(app, OutboxMessage) == []


def test_message_of_a_failed_registration_does_not_exist(app, client, channel):
    with app.app_context():
        db.session.execute(sa.text(f"DROP TABLE {AuditEvent.__tablename__}"))
        db.session.commit()

    response = client.register(ADA)
    deliver_all(app, channel)

    assert response.status_code >= 500
    assert channel.sent == rows(app, OutboxMessage) == []


def test_message_payload_is_encrypted_and_bound_to_its_row(app, client):
    client.register(ADA)
    client.register("bob@example.com")
    mail = read_mail(client, ADA)

    ada, bob = rows(app, OutboxMessage)
    for secret in (mail["code"], token_of(mail["link"]), "Confirm"):
        assert secret.encode() not in ada.payload
    with app.app_context():
        moved = sa.update(OutboxMessage).where(OutboxMessage.id == bob.id)
        db.session.execute(moved.values(payload=ada.payload))
        db.session.commit()
    channel = Channel()
    deliver_all(app, channel)

    assert [message.recipient for message in channel.sent] == [ADA]


def test_message_that_cannot_be_decrypted_blocks_no_other_and_is_retried(app, channel):
    put(app, ADA, "bob@example.com")
    with app.app_context():
        change = sa.update(OutboxMessage).where(OutboxMessage.recipient == ADA)
        db.session.execute(change.values(payload=b"\x04test" + bytes(40)))
        db.session.commit()

    deliver_all(app, channel)

    [broken], [intact] = (
        rows(app, OutboxMessage, recipient=recipient) for recipient in (ADA, "bob@example.com")
    )
    assert [message.recipient for message in channel.sent] == ["bob@example.com"]
    assert (broken.sent_at, intact.sent_at is None) == (None, False)
    assert broken.next_attempt_at > broken.created_at
    assert broken.leased_until is None


def test_messages_are_delivered_once_by_four_parallel_workers(app, channel):
    recipients = [f"user{number}@example.com" for number in range(60)]
    put(app, *recipients)

    run_in_parallel(*[partial(deliver_all, app, channel)] * 4)
    deliver_all(app, channel)

    assert sorted(message.recipient for message in channel.sent) == sorted(recipients)
    assert {row.attempts for row in rows(app, OutboxMessage)} == {1}


def test_database_connection_is_released_during_a_delivery(app, channel):
    put(app, ADA, "bob@example.com")

    deliver_all(app, channel)

    assert channel.connections == [0, 0]


def test_message_that_failed_is_retried_with_growing_delays(app, channel):
    channel.broken = True
    put(app, ADA)

    attempts, start = [], datetime.now(UTC)
    for seconds in (0, 3, 8, 20):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            deliver(app, channel)
            deliver(app, channel)  # not yet due
            [row] = rows(app, OutboxMessage)
            attempts.append(row.attempts)
    channel.broken = False
    with advance_clock(minutes=2):
        deliver(app, channel)

    assert attempts == [1, 2, 3, 4]
    assert [message.recipient for message in channel.sent] == [ADA]
    assert rows(app, OutboxMessage)[0].attempts == 5


def test_retry_delay_is_at_most_five_minutes(app, channel):
    channel.broken = True
    put(app, ADA)
    update_rows(app, attempts=1000)

    deliver(app, channel)
    [row] = rows(app, OutboxMessage)

    assert timedelta(minutes=2.4) < row.next_attempt_at - row.created_at < timedelta(minutes=5.1)


def test_message_that_fails_blocks_no_other(app, channel):
    put(app, ADA, "bob@example.com")
    send = channel.send

    def send_to_bob_only(message):
        channel.broken = message.recipient == ADA
        send(message)

    channel.send = send_to_bob_only
    deliver_all(app, channel)

    assert [message.recipient for message in channel.sent] == ["bob@example.com"]


def test_messages_are_counted_by_recipient_in_any_case_since_a_time(app):
    put(app, ADA, "ADA@example.com", "bob@example.com")
    [first, *_] = rows(app, OutboxMessage)

    with app.app_context():
        since = partial(outbox.count_messages_since, "Ada@example.com")
        counts = [
            since(first.created_at - timedelta(hours=1)),
            since(first.created_at + timedelta(hours=1)),
        ]

    assert counts == [2, 0]
