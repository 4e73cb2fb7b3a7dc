"""The outbox: a message is a row in the transaction of its reason, and leaves it once."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db, writing
from gatehouse.messaging import outbox, worker
from gatehouse.messaging.message import DeliveryFailed, Letter
from gatehouse.web.request_context import NOBODY
from models import AuditEvent, OutboxMessage
from tests.letters import later, letter, token_of
from tests.rows import rows
from tests.together import at_once

pytestmark = pytest.mark.stores

ADA = "ada@example.com"
CIRCUMSTANCES = {"asked": "today", "address": "192.0.2.7", "device": "Firefox on Linux"}


class Channel:
    """Remembers what it was handed, and is broken while `broken` says so."""

    def __init__(self):
        self.sent, self.broken, self.connections = [], False, []
        self._lock = threading.Lock()

    def send(self, message):
        with self._lock:
            self.connections.append(db.engine.pool.checkedout())
            if self.broken:
                raise DeliveryFailed("the line is cut")
            self.sent.append(message)


@pytest.fixture
def channel():
    return Channel()


def put(app, *recipients):
    with app.app_context(), writing():
        for recipient in recipients:
            outbox.put(Letter(recipient, "account_exists", CIRCUMSTANCES), NOBODY)
        db.session.commit()


def change(app, **values):
    with app.app_context():
        db.session.execute(sa.update(OutboxMessage).values(values))
        db.session.commit()


def deliver(app, channel):
    """Deliver what is due; return how many messages were taken."""
    with app.app_context():
        return worker.Courier(channel.send).deliver_due()


def deliver_all(app, channel):
    while deliver(app, channel):
        pass


def test_a_message_is_written_with_its_reason_and_delivered_once(app, client, channel):
    client.register(ADA)

    deliver_all(app, channel)
    deliver_all(app, channel)

    [row] = rows(app, OutboxMessage)
    [message] = channel.sent
    assert (message.id, message.recipient) == (row.id, ADA)
    assert message.subject == "Confirm your e-mail address"
    assert letter(client, ADA)["code"] in message.text
    assert letter(client, ADA)["code"] in message.html
    assert row.sent_at is not None
    assert (row.attempts, row.leased_until) == (1, None)


def test_a_message_whose_reason_was_undone_does_not_exist(app):
    with app.app_context(), writing():
        outbox.put(Letter(ADA, "account_exists", CIRCUMSTANCES), NOBODY)
        db.session.flush()
        db.session.rollback()

    assert rows(app, OutboxMessage) == []


def test_a_registration_that_fails_mails_nothing(app, client, channel):
    with app.app_context():
        db.session.execute(sa.text(f"DROP TABLE {AuditEvent.__tablename__}"))
        db.session.commit()

    answer = client.register(ADA)
    deliver_all(app, channel)

    assert answer.status_code >= 500
    assert channel.sent == rows(app, OutboxMessage) == []


def test_what_a_message_says_is_sealed_and_opens_only_in_its_own_row(app, client):
    client.register(ADA)
    client.register("bob@example.com")
    mail = letter(client, ADA)

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


def test_a_message_that_does_not_open_holds_up_no_other_and_waits(app, channel):
    put(app, ADA, "bob@example.com")
    with app.app_context():
        first = sa.update(OutboxMessage).where(OutboxMessage.recipient == ADA)
        db.session.execute(first.values(payload=b"\x04test" + bytes(40)))
        db.session.commit()

    deliver_all(app, channel)

    [broken], [whole] = (
        rows(app, OutboxMessage, recipient=recipient) for recipient in (ADA, "bob@example.com")
    )
    assert [message.recipient for message in channel.sent] == ["bob@example.com"]
    assert (broken.sent_at, whole.sent_at is None) == (None, False)
    assert broken.due_at > broken.created_at


def test_four_workers_deliver_sixty_messages_once_each(app, channel):
    recipients = [f"person{number}@example.com" for number in range(60)]
    put(app, *recipients)

    at_once(*[partial(deliver_all, app, channel)] * 4)
    deliver_all(app, channel)

    assert sorted(message.recipient for message in channel.sent) == sorted(recipients)
    assert {row.attempts for row in rows(app, OutboxMessage)} == {1}


def test_no_connection_is_held_while_a_message_is_handed_over(app, channel):
    put(app, ADA, "bob@example.com")

    deliver_all(app, channel)

    assert channel.connections == [0, 0]


def test_a_message_that_was_not_handed_over_is_tried_again_ever_later(app, channel):
    channel.broken = True
    put(app, ADA)

    waits = []
    for passed in (0, 3, 8, 20):  # seconds since it was written
        with later(seconds=passed):
            deliver(app, channel)
            deliver(app, channel)  # not yet due
            [row] = rows(app, OutboxMessage)
            waits.append(row.attempts)
    channel.broken = False
    with later(minutes=2):
        deliver(app, channel)

    assert waits == [1, 2, 3, 4]
    assert [message.recipient for message in channel.sent] == [ADA]
    assert rows(app, OutboxMessage)[0].attempts == 5


def test_however_often_it_failed_a_message_waits_five_minutes_at_most(app, channel):
    channel.broken = True
    put(app, ADA)
    change(app, attempts=1000)

    deliver(app, channel)
    [row] = rows(app, OutboxMessage)

    assert timedelta(minutes=2.4) < row.due_at - row.created_at < timedelta(minutes=5.1)


def test_one_broken_message_does_not_keep_the_others(app, channel):
    put(app, ADA, "bob@example.com")
    send = channel.send

    def send_to_bob_only(message):
        channel.broken = message.recipient == ADA
        send(message)

    channel.send = send_to_bob_only
    deliver_all(app, channel)

    assert [message.recipient for message in channel.sent] == ["bob@example.com"]


def test_messages_to_an_address_are_counted_in_any_case_and_since_a_moment(app):
    put(app, ADA, "ADA@example.com", "bob@example.com")
    [first, *_] = rows(app, OutboxMessage)

    with app.app_context():
        since = partial(outbox.written_since, "Ada@example.com")
        counts = [
            since(first.created_at - timedelta(hours=1)),
            since(first.created_at + timedelta(hours=1)),
        ]

    assert counts == [2, 0]


def test_a_message_that_cannot_be_opened_stops_no_other(app, channel):
    put(app, ADA, "bob@example.com")
    with app.app_context(), writing():
        adas = OutboxMessage.recipient == ADA
        db.session.execute(sa.update(OutboxMessage).where(adas).values(payload=b"\x04gone"))
        db.session.commit()

    deliver_all(app, channel)

    assert [message.recipient for message in channel.sent] == ["bob@example.com"]
    [waiting] = rows(app, OutboxMessage, sent_at=None)
    assert (waiting.recipient, waiting.leased_until) == (ADA, None)
