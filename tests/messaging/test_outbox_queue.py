"""The queue of the outbox: leases, attempts, order, and what is given up."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from gatehouse.messaging import outbox_queue, worker
from gatehouse.messaging.message import DeliveryFailed
from gatehouse.operations import cleanup
from models import OutboxMessage
from tests.letters import later
from tests.rows import audited, rows
from tests.together import at_once

pytestmark = pytest.mark.stores

ADA, BOB = "ada@example.com", "bob@example.com"
LEASE = outbox_queue.LEASE.total_seconds()
REFUSED = DeliveryFailed("550 no such mailbox", permanent=True)
DOWN = DeliveryFailed("connection refused")


def only_row(app, **where):
    [row] = rows(app, OutboxMessage, **where)
    return row


# Leases


def test_what_a_dead_worker_had_taken_is_delivered_when_its_lease_has_run_out(post):
    post.put(ADA)
    [taken] = post.claim()  # and then the worker dies

    post.deliver()
    before = list(post.sent)
    with later(seconds=LEASE + 1):
        post.deliver()

    assert before == []
    assert [message.id for message in post.sent] == [taken.row.id]


def test_eight_workers_at_once_take_no_message_twice(post):
    post.put(*[f"person{number}@example.com" for number in range(40)])

    taken = at_once(*[partial(post.claim, 10)] * 8)

    ids = [claim.row.id for claims in taken for claim in claims]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 10


@pytest.mark.parametrize(
    "settle",
    [
        outbox_queue.mark_sent,
        partial(outbox_queue.mark_failed, problem=DOWN),
        partial(outbox_queue.mark_failed, problem=REFUSED),
        partial(outbox_queue.give_up, reason=outbox_queue.EXPIRED),
    ],
    ids=["sent", "failed", "refused", "given up"],
)
def test_a_worker_that_lost_its_lease_settles_nothing(app, post, settle):
    post.put(ADA)
    [lost] = post.claim()
    with later(seconds=LEASE + 1):
        [held] = post.claim()
        before = only_row(app)

        was_mine = post.settle(settle, lost)

        after = only_row(app)
        assert was_mine is False
        assert (after.leased_until, after.attempts) == (held.leased_until, 2)
        assert (after.sent_at, after.given_up_at, after.due_at) == (None, None, before.due_at)
        assert audited(app, "delivery.given_up") == []
        assert post.settle(outbox_queue.mark_sent, held) is True


def test_a_worker_that_lost_its_lease_does_not_give_back_what_somebody_else_has(app, post):
    post.put(ADA)
    [lost] = post.claim()
    with later(seconds=LEASE + 1):
        [held] = post.claim()

        post.settle(outbox_queue.give_back, [lost])

        assert only_row(app).leased_until == held.leased_until


def test_what_was_settled_once_stays_settled(app, post):
    post.put(ADA)
    [claim] = post.claim()
    post.settle(outbox_queue.mark_sent, claim)

    assert post.settle(outbox_queue.mark_failed, claim, DOWN) is False
    assert only_row(app).sent_at is not None


def test_what_is_given_back_counts_no_attempt_and_is_due_at_once(app, post):
    post.put(ADA)
    claims = post.claim()

    post.settle(outbox_queue.give_back, claims)

    assert (only_row(app).attempts, only_row(app).leased_until) == (0, None)
    post.deliver()
    assert post.recipients == [ADA]


def test_a_slow_channel_gives_the_rest_of_its_batch_back_before_the_lease_ends(app, post, wait):
    post.put(*[f"person{number}@example.com" for number in range(5)])
    courier = post.courier()

    def slow(message):
        wait(seconds=25)
        post.carry(message)

    courier.carry = slow
    with app.app_context():
        tried = courier.deliver_due()

    assert tried == 3  # after 75 of 120 seconds less than a minute is left
    waiting = rows(app, OutboxMessage, sent_at=None)
    assert [(row.attempts, row.leased_until) for row in waiting] == [(0, None)] * 2
    post.deliver(courier)
    assert sorted(post.recipients) == sorted(set(post.recipients))
    assert len(post.recipients) == 5


def test_a_worker_that_is_told_to_stop_finishes_the_message_in_hand_and_gives_back_the_rest(
    app, post
):
    post.put(ADA, BOB)
    courier = post.courier()

    def carry(message):
        courier.stop.set()
        post.carry(message)

    courier.carry = carry
    courier.run(app)

    assert len(post.sent) == 1
    [left] = rows(app, OutboxMessage, sent_at=None)
    assert (left.attempts, left.leased_until) == (0, None)


# A clock that was moved


def test_a_lease_of_a_future_that_was_taken_back_holds_nobody_up(post):
    with later(days=2):
        post.put(ADA)
        post.claim()  # and then the worker dies, and the clock is set right

    post.deliver()

    assert post.recipients == [ADA]


def test_a_message_that_was_written_in_such_a_future_is_delivered_now(post):
    with later(minutes=30):
        post.put(ADA)

    post.deliver()

    assert post.recipients == [ADA]


def test_an_attempt_that_was_planned_in_such_a_future_is_made_now(post):
    post.problems["all"] = DOWN
    with later(days=2):
        post.put(ADA)
        post.deliver()
    post.problems.clear()

    post.deliver()

    assert post.recipients == [ADA]


def test_what_a_leaving_worker_has_not_tried_is_anybodys_while_it_finishes_the_one_in_hand(
    app, post
):
    post.put(ADA, BOB, "cy@example.com")
    begun, finish, sent = threading.Event(), threading.Event(), []

    def carry(message):
        begun.set()
        finish.wait(30)
        sent.append(message.recipient)

    courier = worker.Courier(carry)
    thread = threading.Thread(target=courier.run, args=[app])
    thread.start()
    begun.wait(30)
    courier.leave(app)
    post.deliver()
    finish.set()
    thread.join(30)

    assert sorted([*sent, *post.recipients]) == [ADA, BOB, "cy@example.com"]
    assert len(sent) == 1
    assert [row.attempts for row in rows(app, OutboxMessage)] == [1, 1, 1]
    assert all(row.sent_at and not row.leased_until for row in rows(app, OutboxMessage))


def test_a_server_ends_in_time_though_neither_the_message_nor_the_database_does(
    app, post, monkeypatch
):
    post.put(ADA, BOB)
    begun, late, waited = threading.Event(), threading.Event(), []
    monkeypatch.setattr(worker, "LEAVING", 0.1)
    monkeypatch.setattr(outbox_queue, "give_back", lambda rest: waited.append(late.wait(5)))
    courier = worker.Courier(lambda message: begun.set() or waited.append(late.wait(5)))
    thread = threading.Thread(target=courier.run, args=[app])
    thread.start()
    begun.wait(20)

    worker.stop(courier, app, thread)

    ended = list(waited)
    late.set()
    thread.join(20)
    assert ended == []


def test_a_worker_whose_clock_jumps_stops_sending_from_its_batch(app, post, wait):
    post.put(ADA, BOB)
    courier = post.courier()

    def carry(message):
        wait(hours=1)
        post.carry(message)

    courier.carry = carry
    with app.app_context():
        courier.deliver_due()

    assert len(post.sent) == 1


# Attempts


def test_the_other_side_says_when_it_wants_to_be_asked_again(app, post):
    post.problems[ADA] = DeliveryFailed("450 greylisted", retry_after=900)
    post.put(ADA)

    post.deliver()

    row = only_row(app)
    assert timedelta(seconds=899) < row.due_at - row.created_at < timedelta(seconds=910)


def test_a_message_that_is_refused_for_good_is_given_up_at_once(app, post):
    post.problems[ADA] = REFUSED
    post.put(ADA, BOB)

    post.deliver()
    with later(days=1):
        post.deliver()

    row = only_row(app, recipient=ADA)
    assert row.given_up_at is not None
    assert (row.attempts, row.sent_at, row.leased_until) == (1, None, None)
    assert post.tried.count(ADA) == 1
    assert post.recipients == [BOB]


def test_giving_up_is_recorded_with_its_reason_and_without_the_address(app, post):
    post.problems[ADA] = REFUSED
    post.put(ADA)

    post.deliver()

    [event] = audited(app, "delivery.given_up")
    assert event.details == {
        "message": str(only_row(app).id),
        "channel": "email",
        "template": "account_exists",
        "attempts": 1,
        "reason": "refused",
    }


def test_a_message_is_given_up_after_three_days(app, post):
    post.problems["all"] = DOWN
    post.put(ADA)

    with later(days=2, hours=23):
        post.deliver()
    before = only_row(app).given_up_at
    post.problems.clear()
    with later(days=3, hours=1):
        post.deliver()

    assert before is None
    assert only_row(app).given_up_at is not None
    assert post.sent == []
    assert audited(app, "delivery.given_up")[0].details["reason"] == "too_late"


def test_a_code_that_has_expired_is_not_sent_any_more(app, post):
    post.put(ADA, good_until=datetime.now(UTC) + timedelta(minutes=10))
    post.put(BOB, good_until=datetime.now(UTC) + timedelta(hours=10))

    with later(minutes=11):
        post.deliver()

    assert post.recipients == [BOB]
    assert only_row(app, recipient=ADA).given_up_at is not None
    assert audited(app, "delivery.given_up")[0].details["reason"] == "expired"


def test_mails_of_registrations_and_invitations_say_until_when_they_are_good(app, client):
    client.register(ADA)
    app.test_cli_runner().invoke(args=["users", "invite", BOB])

    for row in rows(app, OutboxMessage):
        assert row.good_until > row.created_at


def test_where_no_worker_is_housekeeping_gives_up_what_is_overdue_and_keeps_the_rest(app, post):
    post.put(ADA)
    with later(days=2):
        post.put(BOB)

    with later(days=3, hours=1), app.app_context():
        cleanup.purge()

    assert only_row(app, recipient=ADA).given_up_at is not None
    assert only_row(app, recipient=BOB).given_up_at is None
    assert len(audited(app, "delivery.given_up")) == 1


def test_old_messages_are_deleted_but_never_one_that_waits(app, post):
    post.put(ADA)
    post.deliver()
    post.put(BOB)
    post.change(created_at=datetime.now(UTC) - timedelta(days=8))

    with app.app_context():
        cleanup.purge()  # gives up, then deletes
        left = rows(app, OutboxMessage)

    assert left == []
    assert len(audited(app, "delivery.given_up")) == 1  # not without a word


# Order


def test_messages_to_one_recipient_go_in_their_order_and_the_others_do_not_wait(post):
    post.put(ADA, ADA, BOB)
    first = post.claim()

    second = post.claim()

    assert sorted(claim.row.recipient for claim in first) == [ADA, BOB]
    assert second == []
    for claim in first:
        post.settle(outbox_queue.mark_sent, claim)
    [third] = post.claim()
    assert third.row.recipient == ADA
    assert third.row.created_at > min(claim.row.created_at for claim in first)


def test_a_younger_message_does_not_overtake_one_that_is_soon_tried_again(post):
    post.problems[ADA] = DOWN
    post.put(ADA, ADA)

    post.deliver()
    post.problems.clear()
    post.deliver()

    assert post.tried == [ADA]
    with later(seconds=3):
        post.deliver()
    written = sorted(rows(post.app, OutboxMessage), key=lambda row: row.created_at)
    assert [str(message.id) for message in post.sent] == [str(row.id) for row in written]
    assert len(written) == 2


def test_a_younger_message_overtakes_one_whose_turn_is_far_off(post):
    post.problems[ADA] = DeliveryFailed("450 come back later", retry_after=900)
    post.put(ADA)
    post.deliver()
    post.problems.clear()

    post.put(ADA)
    post.deliver()

    assert post.tried == [ADA, ADA]
    assert len(post.sent) == 1


def test_a_message_that_was_given_up_holds_no_younger_one_up(post):
    post.problems[ADA] = REFUSED
    post.put(ADA)
    post.deliver()
    post.problems.clear()

    post.put(ADA)
    post.deliver()

    assert post.recipients == [ADA]


def test_a_text_to_a_number_does_not_wait_for_a_mail(post):
    post.put(ADA)
    post.put(ADA, channel="sms")

    assert sorted(claim.row.channel for claim in post.claim()) == ["email", "sms"]


# Bad messages and bad channels


def test_a_poisoned_message_stops_nobody_and_waits(app, post):
    post.put(ADA, BOB)
    post.problems[ADA] = ZeroDivisionError("not what a channel may raise")

    post.deliver()

    assert post.recipients == [BOB]
    row = only_row(app, recipient=ADA)
    assert (row.attempts, row.leased_until, row.given_up_at) == (1, None, None)
    assert row.due_at > row.created_at


def test_a_payload_that_holds_no_message_stops_nobody_and_waits(app, post):
    post.put(ADA, BOB)
    with app.app_context():
        broken = sa.update(OutboxMessage).where(OutboxMessage.recipient == ADA)
        db.session.execute(broken.values(payload=b""))
        db.session.commit()

    post.deliver()

    assert post.recipients == [BOB]
    assert only_row(app, recipient=ADA).attempts == 1


def test_a_channel_that_fails_three_times_in_a_row_is_left_alone_for_a_while(app, post):
    post.problems["all"] = DOWN
    post.put(*[f"person{number}@example.com" for number in range(10)])
    courier = post.courier()

    post.deliver(courier)

    assert len(post.tried) == 3
    untried = [row for row in rows(app, OutboxMessage) if row.attempts == 0]
    assert [row.leased_until for row in untried] == [None] * 7


def test_a_broken_channel_does_not_keep_the_messages_of_another(post):
    post.problems["all"] = DOWN
    post.put(*[f"person{number}@example.com" for number in range(5)])
    courier = post.courier()
    post.deliver(courier)
    post.problems.clear()

    post.put("+4915112345678", channel="sms")
    post.deliver(courier)

    assert post.recipients == ["+4915112345678"]


def test_a_worker_leaves_to_others_what_it_has_no_channel_for(app, post):
    post.put("+4915112345678", channel="sms")
    post.put(ADA)
    courier = post.courier()
    courier.without = ("sms",)

    post.deliver(courier)

    assert post.recipients == [ADA]
    assert only_row(app, channel="sms").attempts == 0


def test_recipients_who_are_refused_are_no_fault_of_the_channel(post):
    post.problems["all"] = REFUSED
    post.put(*[f"person{number}@example.com" for number in range(10)])

    post.deliver()

    assert len(post.tried) == 10


def test_what_became_of_a_message_is_noted_though_the_database_was_away_for_a_moment(
    app, post, monkeypatch
):
    post.put(ADA)
    monkeypatch.setattr(worker, "RETRIES", (0.0, 0.0))
    failing = iter([True, True, False])
    mark_sent = outbox_queue.mark_sent

    def unlucky(claim):
        if next(failing):
            raise sa.exc.OperationalError("UPDATE", {}, Exception("gone"))
        return mark_sent(claim)

    monkeypatch.setattr(outbox_queue, "mark_sent", unlucky)
    post.deliver()

    assert post.recipients == [ADA]
    assert only_row(app).sent_at is not None


# What a message carries


@pytest.mark.settings(GATEHOUSE_PUBLIC_URL="https://id.example.com")
def test_a_message_has_the_same_message_id_at_every_attempt(app, post):
    seen = []

    def refuse(message):
        seen.append(message.message_id)
        raise DOWN

    post.put(ADA)
    courier = post.courier()
    courier.carry = refuse
    post.deliver(courier)
    with later(seconds=10):
        post.deliver(courier)

    assert seen == [f"<{only_row(app).id}@id.example.com>"] * 2


def test_the_outbox_is_measured(app, post):
    post.problems[ADA] = REFUSED
    post.put(ADA, BOB)
    with app.app_context():
        outbox_queue.measure()
        before = worker_metrics()
    post.deliver()

    with app.app_context():
        outbox_queue.measure()

    assert (before["waiting"], before["given_up"]) == (2, 0)
    assert before["oldest_seconds"] >= 0
    assert worker_metrics() == {"waiting": 0, "oldest_seconds": 0, "given_up": 1}


def worker_metrics():
    gauges = {
        "waiting": outbox_queue.metrics.MESSAGES_WAITING,
        "oldest_seconds": outbox_queue.metrics.MESSAGES_OLDEST,
        "given_up": outbox_queue.metrics.MESSAGES_GIVEN_UP,
    }
    return {name: gauge.collect()[0].samples[0].value for name, gauge in gauges.items()}
