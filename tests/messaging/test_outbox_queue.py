"""The outbox as a queue: leases, attempts, order, and abandoned messages."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.database import lease_queue
from gatehouse.database.session import db
from gatehouse.messaging import outbox_queue, worker
from gatehouse.messaging.message import DeliveryFailed
from gatehouse.operations import cleanup
from models import OutboxMessage
from tests.mail_links import advance_clock
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

pytestmark = pytest.mark.stores

ADA, BOB = "ada@example.com", "bob@example.com"
LEASE = outbox_queue.LEASE.total_seconds()
REFUSED = DeliveryFailed("550 no such mailbox", permanent=True)
DOWN = DeliveryFailed("connection refused")


def only_row(app, **where):
    [row] = rows(app, OutboxMessage, **where)
    return row


# Leases


def test_lease_of_a_dead_worker_expires_and_its_message_is_delivered(delivery):
    delivery.put(ADA)
    [expired] = delivery.lease()  # then the worker dies

    delivery.deliver()
    before = list(delivery.sent)
    with advance_clock(seconds=LEASE + 1):
        delivery.deliver()

    assert before == []
    assert [message.id for message in delivery.sent] == [expired.row.id]


def test_lease_is_given_to_one_of_eight_parallel_workers(delivery):
    delivery.put(*[f"user{number}@example.com" for number in range(40)])

    batches = run_in_parallel(*[partial(delivery.lease, 10)] * 8)

    ids = [lease.row.id for batch in batches for lease in batch]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 10


@pytest.mark.parametrize(
    "finish",
    [
        outbox_queue.mark_sent,
        partial(outbox_queue.mark_failed, error=DOWN),
        partial(outbox_queue.mark_failed, error=REFUSED),
        partial(outbox_queue.abandon_message, reason=outbox_queue.EXPIRED),
    ],
    ids=["sent", "failed", "rejected", "abandoned"],
)
def test_lease_that_expired_changes_nothing(app, delivery, finish):
    delivery.put(ADA)
    [expired] = delivery.lease()
    with advance_clock(seconds=LEASE + 1):
        [current] = delivery.lease()
        before = only_row(app)

        was_leased = delivery.commit(finish, expired)

        after = only_row(app)
        assert was_leased is False
        assert (after.leased_until, after.attempts) == (current.leased_until, 2)
        assert (after.sent_at, after.abandoned_at, after.next_attempt_at) == (
            None,
            None,
            before.next_attempt_at,
        )
        assert audited(app, "delivery.abandoned") == []
        assert delivery.commit(outbox_queue.mark_sent, current) is True


def test_lease_that_expired_does_not_release_the_lease_of_another_worker(app, delivery):
    delivery.put(ADA)
    [expired] = delivery.lease()
    with advance_clock(seconds=LEASE + 1):
        [current] = delivery.lease()

        delivery.commit(outbox_queue.release_leases, [expired])

        assert only_row(app).leased_until == current.leased_until


def test_lease_that_was_finished_cannot_be_finished_again(app, delivery):
    delivery.put(ADA)
    [lease] = delivery.lease()
    delivery.commit(outbox_queue.mark_sent, lease)

    assert delivery.commit(outbox_queue.mark_failed, lease, DOWN) is False
    assert only_row(app).sent_at is not None


def test_released_message_counts_no_attempt_and_is_due_immediately(app, delivery):
    delivery.put(ADA)
    leases = delivery.lease()

    delivery.commit(outbox_queue.release_leases, leases)

    assert (only_row(app).attempts, only_row(app).leased_until) == (0, None)
    delivery.deliver()
    assert delivery.recipients == [ADA]


def test_worker_with_a_slow_channel_releases_the_rest_of_its_batch_before_the_lease_ends(
    app, delivery, wait
):
    delivery.put(*[f"user{number}@example.com" for number in range(5)])
    delivery_worker = delivery.create_worker()

    def slow(message):
        wait(seconds=25)
        delivery.send(message)

    delivery_worker.send_message = slow
    with app.app_context():
        tried = delivery_worker.deliver_due()

    assert tried == 3  # after 75 of 120 seconds less than a minute is left
    waiting = rows(app, OutboxMessage, sent_at=None)
    assert [(row.attempts, row.leased_until) for row in waiting] == [(0, None)] * 2
    delivery.deliver(delivery_worker)
    assert sorted(delivery.recipients) == sorted(set(delivery.recipients))
    assert len(delivery.recipients) == 5


def test_worker_that_must_stop_finishes_the_current_message_and_releases_the_rest(app, delivery):
    delivery.put(ADA, BOB)
    delivery_worker = delivery.create_worker()

    def send(message):
        delivery_worker.stop_requested.set()
        delivery.send(message)

    delivery_worker.send_message = send
    delivery_worker.run_until_stopped(app)

    assert len(delivery.sent) == 1
    [left] = rows(app, OutboxMessage, sent_at=None)
    assert (left.attempts, left.leased_until) == (0, None)


# A clock that was moved back


def test_lease_of_a_wrong_future_clock_blocks_no_delivery(delivery):
    with advance_clock(days=2):
        delivery.put(ADA)
        delivery.lease()  # then the worker dies and the clock is corrected

    delivery.deliver()

    assert delivery.recipients == [ADA]


def test_message_that_was_written_by_a_wrong_future_clock_is_delivered_now(delivery):
    with advance_clock(minutes=30):
        delivery.put(ADA)

    delivery.deliver()

    assert delivery.recipients == [ADA]


def test_attempt_that_was_scheduled_by_a_wrong_future_clock_is_made_now(delivery):
    delivery.errors["all"] = DOWN
    with advance_clock(days=2):
        delivery.put(ADA)
        delivery.deliver()
    delivery.errors.clear()

    delivery.deliver()

    assert delivery.recipients == [ADA]


def test_worker_that_shuts_down_releases_untried_messages_while_it_finishes_the_current_one(
    app, delivery
):
    delivery.put(ADA, BOB, "cy@example.com")
    begun, finish, sent = threading.Event(), threading.Event(), []

    def send(message):
        begun.set()
        finish.wait(30)
        sent.append(message.recipient)

    delivery_worker = worker.DeliveryWorker(send)
    thread = threading.Thread(target=delivery_worker.run_until_stopped, args=[app])
    thread.start()
    begun.wait(30)
    delivery_worker.shut_down(app)
    delivery.deliver()
    finish.set()
    thread.join(30)

    assert sorted([*sent, *delivery.recipients]) == [ADA, BOB, "cy@example.com"]
    assert len(sent) == 1
    assert [row.attempts for row in rows(app, OutboxMessage)] == [1, 1, 1]
    assert all(row.sent_at and not row.leased_until for row in rows(app, OutboxMessage))


def test_worker_stops_in_time_although_channel_and_database_hang(app, delivery, monkeypatch):
    delivery.put(ADA, BOB)
    begun, late, waited = threading.Event(), threading.Event(), []
    monkeypatch.setattr(worker, "SHUTDOWN_TIMEOUT", 0.1)
    monkeypatch.setattr(outbox_queue, "release_leases", lambda rest: waited.append(late.wait(30)))
    delivery_worker = worker.DeliveryWorker(
        lambda message: begun.set() or waited.append(late.wait(30))
    )
    thread = threading.Thread(target=delivery_worker.run_until_stopped, args=[app])
    thread.start()
    begun.wait(20)

    worker.stop_worker(delivery_worker, app, thread)

    ended = list(waited)
    late.set()
    thread.join(20)
    assert ended == []


def test_worker_stops_sending_from_its_batch_after_a_clock_jump(app, delivery, wait):
    delivery.put(ADA, BOB)
    delivery_worker = delivery.create_worker()

    def send(message):
        wait(hours=1)
        delivery.send(message)

    delivery_worker.send_message = send
    with app.app_context():
        delivery_worker.deliver_due()

    assert len(delivery.sent) == 1


# Attempts


def test_retry_waits_as_long_as_the_server_asks(app, delivery):
    delivery.errors[ADA] = DeliveryFailed("450 greylisted", retry_after=900)
    delivery.put(ADA)

    delivery.deliver()

    row = only_row(app)
    assert timedelta(seconds=899) < row.next_attempt_at - row.created_at < timedelta(seconds=910)


def test_message_is_abandoned_immediately_after_a_permanent_failure(app, delivery):
    delivery.errors[ADA] = REFUSED
    delivery.put(ADA, BOB)

    delivery.deliver()
    with advance_clock(days=1):
        delivery.deliver()

    row = only_row(app, recipient=ADA)
    assert row.abandoned_at is not None
    assert (row.attempts, row.sent_at, row.leased_until) == (1, None, None)
    assert delivery.tried.count(ADA) == 1
    assert delivery.recipients == [BOB]


def test_abandoned_message_is_audited_with_its_reason_and_without_the_recipient(app, delivery):
    delivery.errors[ADA] = REFUSED
    delivery.put(ADA)

    delivery.deliver()

    [event] = audited(app, "delivery.abandoned")
    assert event.details == {
        "message": str(only_row(app).id),
        "channel": "email",
        "template": "account_exists",
        "attempts": 1,
        "reason": "refused",
    }


def test_message_is_abandoned_after_three_days(app, delivery):
    delivery.errors["all"] = DOWN
    delivery.put(ADA)

    with advance_clock(days=2, hours=23):
        delivery.deliver()
    before = only_row(app).abandoned_at
    delivery.errors.clear()
    with advance_clock(days=3, hours=1):
        delivery.deliver()

    assert before is None
    assert only_row(app).abandoned_at is not None
    assert delivery.sent == []
    assert audited(app, "delivery.abandoned")[0].details["reason"] == "too_late"


def test_message_with_an_expired_code_is_not_sent(app, delivery):
    delivery.put(ADA, expires_at=datetime.now(UTC) + timedelta(minutes=10))
    delivery.put(BOB, expires_at=datetime.now(UTC) + timedelta(hours=10))

    with advance_clock(minutes=11):
        delivery.deliver()

    assert delivery.recipients == [BOB]
    assert only_row(app, recipient=ADA).abandoned_at is not None
    assert audited(app, "delivery.abandoned")[0].details["reason"] == "expired"


def test_messages_of_registrations_and_invitations_have_an_expiry(app, client):
    client.register(ADA)
    app.test_cli_runner().invoke(args=["users", "invite", BOB])

    for row in rows(app, OutboxMessage):
        assert row.expires_at > row.created_at


def test_cleanup_abandons_overdue_messages_without_a_worker(app, delivery):
    delivery.put(ADA)
    with advance_clock(days=2):
        delivery.put(BOB)

    with advance_clock(days=3, hours=1), app.app_context():
        cleanup.run_cleanup()

    assert only_row(app, recipient=ADA).abandoned_at is not None
    assert only_row(app, recipient=BOB).abandoned_at is None
    assert len(audited(app, "delivery.abandoned")) == 1


def test_cleanup_deletes_old_messages_only_after_they_were_sent_or_abandoned(app, delivery):
    delivery.put(ADA)
    delivery.deliver()
    delivery.put(BOB)
    delivery.update_rows(created_at=datetime.now(UTC) - timedelta(days=8))

    with app.app_context():
        cleanup.run_cleanup()  # abandons, then deletes
        left = rows(app, OutboxMessage)

    assert left == []
    assert len(audited(app, "delivery.abandoned")) == 1  # abandoned before it is deleted


# Order


def test_messages_to_one_recipient_are_sent_in_order_and_block_no_other_recipient(delivery):
    delivery.put(ADA, ADA, BOB)
    first = delivery.lease()

    second = delivery.lease()

    assert sorted(lease.row.recipient for lease in first) == [ADA, BOB]
    assert second == []
    for lease in first:
        delivery.commit(outbox_queue.mark_sent, lease)
    [third] = delivery.lease()
    assert third.row.recipient == ADA
    assert third.row.created_at > min(lease.row.created_at for lease in first)


def test_message_waits_for_an_older_one_that_is_retried_soon(delivery):
    delivery.errors[ADA] = DOWN
    delivery.put(ADA, ADA)

    delivery.deliver()
    delivery.errors.clear()
    delivery.deliver()

    assert delivery.tried == [ADA]
    with advance_clock(seconds=3):
        delivery.deliver()
    written = sorted(rows(delivery.app, OutboxMessage), key=lambda row: row.created_at)
    assert [str(message.id) for message in delivery.sent] == [str(row.id) for row in written]
    assert len(written) == 2


def test_message_overtakes_an_older_one_that_is_retried_much_later(delivery):
    delivery.errors[ADA] = DeliveryFailed("450 come back later", retry_after=900)
    delivery.put(ADA)
    delivery.deliver()
    delivery.errors.clear()

    delivery.put(ADA)
    delivery.deliver()

    assert delivery.tried == [ADA, ADA]
    assert len(delivery.sent) == 1


def test_abandoned_message_blocks_no_later_one(delivery):
    delivery.errors[ADA] = REFUSED
    delivery.put(ADA)
    delivery.deliver()
    delivery.errors.clear()

    delivery.put(ADA)
    delivery.deliver()

    assert delivery.recipients == [ADA]


def test_sms_does_not_wait_for_an_email(delivery):
    delivery.put(ADA)
    delivery.put(ADA, channel="sms")

    assert sorted(lease.row.channel for lease in delivery.lease()) == ["email", "sms"]


# Broken messages and channels


def test_message_whose_channel_crashes_blocks_no_other_and_is_retried(app, delivery):
    delivery.put(ADA, BOB)
    delivery.errors[ADA] = ZeroDivisionError("an error that channels must not raise")

    delivery.deliver()

    assert delivery.recipients == [BOB]
    row = only_row(app, recipient=ADA)
    assert (row.attempts, row.leased_until, row.abandoned_at) == (1, None, None)
    assert row.next_attempt_at > row.created_at


def test_message_with_an_empty_payload_blocks_no_other_and_is_retried(app, delivery):
    delivery.put(ADA, BOB)
    with app.app_context():
        broken = sa.update(OutboxMessage).where(OutboxMessage.recipient == ADA)
        db.session.execute(broken.values(payload=b""))
        db.session.commit()

    delivery.deliver()

    assert delivery.recipients == [BOB]
    assert only_row(app, recipient=ADA).attempts == 1


def test_channel_is_paused_after_three_consecutive_failures(app, delivery):
    delivery.errors["all"] = DOWN
    delivery.put(*[f"user{number}@example.com" for number in range(10)])
    delivery_worker = delivery.create_worker()

    delivery.deliver(delivery_worker)

    assert len(delivery.tried) == 3
    untried = [row for row in rows(app, OutboxMessage) if row.attempts == 0]
    assert [row.leased_until for row in untried] == [None] * 7


def test_channel_that_fails_does_not_delay_another_channel(delivery):
    delivery.errors["all"] = DOWN
    delivery.put(*[f"user{number}@example.com" for number in range(5)])
    delivery_worker = delivery.create_worker()
    delivery.deliver(delivery_worker)
    delivery.errors.clear()

    delivery.put("+4915112345678", channel="sms")
    delivery.deliver(delivery_worker)

    assert delivery.recipients == ["+4915112345678"]


def test_worker_leases_no_messages_without_a_channel(app, delivery):
    delivery.put("+4915112345678", channel="sms")
    delivery.put(ADA)
    delivery_worker = delivery.create_worker()
    delivery_worker.excluded_channels = ("sms",)

    delivery.deliver(delivery_worker)

    assert delivery.recipients == [ADA]
    assert only_row(app, channel="sms").attempts == 0


def test_channel_is_not_paused_by_rejected_recipients(delivery):
    delivery.errors["all"] = REFUSED
    delivery.put(*[f"user{number}@example.com" for number in range(10)])

    delivery.deliver()

    assert len(delivery.tried) == 10


def test_outcome_of_a_delivery_is_recorded_after_database_errors(app, delivery, monkeypatch):
    delivery.put(ADA)
    monkeypatch.setattr(lease_queue, "WRITE_RETRY_DELAYS", (0.0, 0.0))
    failing = iter([True, True, False])
    mark_sent = outbox_queue.mark_sent

    def fail_twice(lease):
        if next(failing):
            raise sa.exc.OperationalError("UPDATE", {}, Exception("gone"))
        return mark_sent(lease)

    monkeypatch.setattr(outbox_queue, "mark_sent", fail_twice)
    delivery.deliver()

    assert delivery.recipients == [ADA]
    assert only_row(app).sent_at is not None


# Message-ID and metrics


@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
def test_message_id_is_the_same_in_all_attempts(app, delivery):
    seen = []

    def refuse(message):
        seen.append(message.message_id)
        raise DOWN

    delivery.put(ADA)
    delivery_worker = delivery.create_worker()
    delivery_worker.send_message = refuse
    delivery.deliver(delivery_worker)
    with advance_clock(seconds=10):
        delivery.deliver(delivery_worker)

    assert seen == [f"<{only_row(app).id}@id.example.com>"] * 2


def test_metrics_of_the_outbox_are_updated(app, delivery):
    delivery.errors[ADA] = REFUSED
    delivery.put(ADA, BOB)
    with app.app_context():
        outbox_queue.update_metrics()
        before = read_outbox_metrics()
    delivery.deliver()

    with app.app_context():
        outbox_queue.update_metrics()

    assert (before["waiting"], before["abandoned"]) == (2, 0)
    assert before["oldest_seconds"] >= 0
    assert read_outbox_metrics() == {"waiting": 0, "oldest_seconds": 0, "abandoned": 1}


def read_outbox_metrics():
    gauges = {
        "waiting": outbox_queue.metrics.MESSAGES_WAITING,
        "oldest_seconds": outbox_queue.metrics.OLDEST_MESSAGE_AGE,
        "abandoned": outbox_queue.metrics.MESSAGES_ABANDONED,
    }
    return {name: gauge.collect()[0].samples[0].value for name, gauge in gauges.items()}
