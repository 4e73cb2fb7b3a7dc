"""Delivery of events to webhooks: signed, ordered for each user, repeated until accepted."""

import base64
import hmac
import json
import threading
from collections import defaultdict
from datetime import timedelta
from itertools import product
from uuid import uuid4

import pytest
import sqlalchemy as sa

from gatehouse.core import clock
from gatehouse.core.events import UserChanged, UserErased, UserRestored, publish
from gatehouse.database import delivery_lanes
from gatehouse.database.delivery_lanes import ChannelHealth
from gatehouse.database.session import db, write_transaction
from gatehouse.hooks import definitions, delivery_queue, sending, subscriptions
from gatehouse.hooks.definitions import HookChange
from gatehouse.hooks.delivery_worker import WebhookWorker
from gatehouse.operations import cleanup
from gatehouse.web.request_context import NO_REQUEST
from models import Hook, WebhookDelivery, WebhookEvent
from tests.client import User
from tests.loopback_server import OK as LOOPBACK_OK
from tests.loopback_server import loopback_server, respond_with
from tests.net.test_http_client import INTERNAL_HOSTS
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.statements import record_statements
from tests.tokens.forgery import case
from tests.user_accounts import create_user
from tests.webhook_receiver import OK, webhook_receiver

pytestmark = pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="127.0.0.1")
ADA, BOB = uuid4(), uuid4()
DOWN = (503, b"", {})


def fields_of(receiver, user_id):
    """Return the fields of the changes of a user, in the order of their arrival."""
    events = [one["data"] for one in receiver.events if one["data"]["user_id"] == str(user_id)]
    return [field for data in events for field in data["fields"]]


def states(app):
    return [row.state for row in rows(app, WebhookDelivery)]


def count_read_rows(node):
    """Return how many rows the scans of a plan have read, with those that they filtered out."""
    read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    own = read * node["Actual Loops"] if "Scan" in node["Node Type"] else 0
    return own + sum(map(count_read_rows, node.get("Plans", [])))


def expect_signature(secret, headers, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert expected in headers["webhook-signature"].split()


@pytest.mark.stores
def test_webhook_gets_a_signed_event_of_a_login(app, client, make_user, create_webhook, receiver):
    _, secret = create_webhook(receiver.url, events=["user.signed_in"])
    tokens = client.log_in(make_user())

    with app.app_context():
        WebhookWorker().deliver_due()

    [(headers, body)] = receiver.requests
    event = json.loads(body)
    assert (event["type"], event["id"]) == ("user.signed_in", headers["webhook-id"])
    assert event["data"]["user_id"] == tokens["user"]["id"]
    assert headers["content-type"] == "application/json"
    expect_signature(secret, headers, body)
    assert states(app) == ["delivered"]


def test_webhook_gets_the_events_that_it_names(app, create_webhook, receiver, client, make_user):
    create_webhook(receiver.url, events=["session.ended"])
    client.as_(client.log_in(make_user())).post("/auth/logout")

    assert [row.name for row in rows(app, WebhookEvent)] == ["session.ended"]


def test_event_costs_no_query_without_a_webhook(app, client, make_user):
    user = make_user()
    client.log_in(user)

    with record_statements(app) as statements:
        client.log_in(user)

    assert statements
    assert not [text for text, _ in statements if "hook" in text]


@pytest.mark.stores
def test_event_is_written_in_the_transaction_of_its_cause(app, webhook):
    with app.app_context():
        with write_transaction():
            publish(UserChanged(ADA, NO_REQUEST, ("name",)))
        db.session.rollback()

    assert rows(app, WebhookEvent) == rows(app, WebhookDelivery) == []


@pytest.mark.stores
def test_delivery_waits_for_the_older_ones_of_the_same_user(
    app, webhook, receiver, change_user, deliver, wait
):
    receiver.answer = lambda event: DOWN if event["data"]["fields"] == ["a1"] else OK
    change_user(ADA, "a1", "a2", "a3")
    change_user(BOB, "b1", "b2", "b3")

    deliver()
    before = fields_of(receiver, ADA), fields_of(receiver, BOB)
    receiver.answer = lambda _event: OK
    wait(seconds=6)
    deliver()

    assert before == (["a1"], ["b1", "b2", "b3"])
    assert fields_of(receiver, ADA) == ["a1", "a1", "a2", "a3"]
    first, again = [one["id"] for one in receiver.events if one["data"]["fields"] == ["a1"]]
    assert first == again
    assert states(app) == ["delivered"] * 6


def test_delivery_is_retried_for_three_days_then_abandoned(
    app, webhook, receiver, change_user, deliver, wait
):
    receiver.answer = lambda event: DOWN if event["data"]["fields"] == ["poison"] else OK
    change_user(ADA, "poison", "next")
    begun = clock.now()

    for delay in (timedelta(0), *delivery_queue.RETRY_DELAYS):
        wait(seconds=delay.total_seconds())
        change_user(BOB, "works")
        deliver()

    assert timedelta(days=3) < clock.now() - begun < timedelta(days=4)
    assert fields_of(receiver, ADA) == ["poison"] * 10 + ["next"]
    [abandoned] = rows(app, WebhookDelivery, state="abandoned")
    assert (abandoned.attempts, abandoned.last_status) == (10, 503)
    assert [event.details["name"] for event in audited(app, "hook.delivery_abandoned")] == ["crm"]
    assert rows(app, Hook)[0].paused_at is None


def test_webhook_that_fails_for_a_day_is_paused_and_nothing_is_lost(
    app, webhook, receiver, change_user, deliver, wait
):
    receiver.answer = lambda _event: DOWN
    change_user(ADA, "a1", "a2")
    for delay in (timedelta(0), *delivery_queue.RETRY_DELAYS[:7]):
        wait(seconds=delay.total_seconds())
        deliver()
    [hook] = rows(app, Hook)
    tried = len(receiver.requests)

    wait(days=4)
    change_user(ADA, "a3")
    deliver()
    assert len(receiver.requests) == tried
    receiver.answer = lambda _event: OK
    with app.app_context():
        definitions.change_hook(webhook, HookChange(enabled=True), NO_REQUEST)
        db.session.commit()
    deliver()

    assert hook.paused_at is not None
    assert hook.paused_reason == "It answered 503."
    assert [event.details["reason"] for event in audited(app, "hook.paused")] == [
        "It answered 503."
    ]
    assert fields_of(receiver, ADA)[tried:] == ["a1", "a2", "a3"]
    assert states(app) == ["delivered"] * 3
    assert rows(app, Hook)[0].failing_since is None


def test_pause_is_announced_once_to_those_who_manage_hooks(
    app, webhook, receiver, change_user, deliver, wait, client
):
    create_user(app, User("root@example.com"), roles=["admin"])
    create_user(app, User("support@example.com"), roles=["support"])
    receiver.answer = lambda _event: DOWN
    change_user(ADA, "a1")
    for delay in (timedelta(0), *delivery_queue.RETRY_DELAYS[:8]):
        wait(seconds=delay.total_seconds())
        deliver()

    [mail] = client.mailbox(to="root@example.com")
    assert mail["subject"] == "A webhook is paused"
    assert mail["variables"].items() >= {"webhook": "crm", "reason": "It answered 503."}.items()
    assert "gatehouse hooks change crm --enable" in mail["text"]
    assert client.mailbox(to="support@example.com") == []


def test_webhook_that_is_gone_is_disabled_and_keeps_its_events(
    app, webhook, receiver, change_user, deliver
):
    receiver.answer = lambda _event: (410, b"", {})
    change_user(ADA, "a1", "a2")

    deliver()
    change_user(ADA, "unseen")
    [hook] = rows(app, Hook)
    receiver.answer = lambda _event: OK
    with app.app_context():
        definitions.change_hook(webhook, HookChange(enabled=True), NO_REQUEST)
        db.session.commit()
    deliver()

    assert not hook.enabled
    assert len(audited(app, "hook.gone")) == 1
    assert fields_of(receiver, ADA) == ["a1", "a1", "a2"]


def test_delivery_is_judged_by_the_status_of_a_short_answer(
    app, create_webhook, receiver, change_user, deliver
):
    create_webhook(receiver.url)
    with webhook_receiver() as internal:
        answers = {
            "garbage": (200, b"\x00\xff<html>", {}),
            "empty": (204, b"", {}),
            "redirect": (302, b"", {"Location": internal.url}),
            "moved": (308, b"", {"Location": internal.url}),
            "rejected": (400, b"no", {}),
            "broken": (500, b"no", {}),
            "huge": (200, b"x" * 100_000, {}),
            "packed": (200, b"x", {"Content-Encoding": "gzip"}),
        }
        receiver.answer = lambda event: answers[event["data"]["fields"][0]]
        for name in answers:
            change_user(uuid4(), name)
        deliver(WebhookWorker(health_by_receiver=defaultdict(Untiring)))

    assert internal.requests == []
    accepted = ["delivered" if name in ("garbage", "empty") else "pending" for name in answers]
    assert states(app) == accepted


class Untiring(ChannelHealth):
    """A webhook that is never left alone."""

    is_paused = False


def test_slow_receiver_is_given_up_after_a_time(
    app, webhook, receiver, change_user, deliver, monkeypatch
):
    monkeypatch.setattr(sending, "TIMEOUT", 0.5)
    released = threading.Event()
    receiver.answer = lambda _event: (released.wait(60) and OK) or OK
    change_user(ADA, "a1")

    deliver()
    released.set()

    [row] = rows(app, WebhookDelivery)
    assert (row.state, row.last_error) == ("pending", "127.0.0.1 took longer than 0.5 seconds.")


def test_receiver_that_is_down_loses_nothing(app, create_webhook, change_user, deliver, wait):
    with webhook_receiver() as receiver:
        port = receiver.port
    create_webhook(receiver.url)
    change_user(ADA, "a1", "a2", "a3")
    deliver()
    assert states(app) == ["pending"] * 3

    wait(minutes=1)
    with webhook_receiver(port) as restarted:
        deliver()

    assert fields_of(restarted, ADA) == ["a1", "a2", "a3"]


def test_webhook_with_an_endless_backlog_leaves_its_lane_to_others(
    app, create_webhook, receiver, change_user, monkeypatch
):
    monkeypatch.setattr(delivery_lanes, "MAX_LANES", 1)
    monkeypatch.setattr(delivery_lanes, "LANE_TIME", 0.0)
    worker, is_served = WebhookWorker(), threading.Event()

    def answer_endlessly(_event):
        if not worker.stop_requested.is_set():
            change_user(ADA, "again")
        return OK

    receiver.answer = answer_endlessly
    create_webhook(receiver.url, "endless", ["user.changed"])
    with webhook_receiver() as other:
        other.answer = lambda _event: is_served.set() or OK
        create_webhook(other.url, "other", ["user.restored"])
        change_user(ADA, "first")
        with app.app_context():
            with write_transaction():
                publish(UserRestored(BOB, NO_REQUEST))
            db.session.commit()
        thread = threading.Thread(target=worker.run_until_stopped, args=(app,))
        thread.start()
        was_served = is_served.wait(60)
        worker.stop_requested.set()
        thread.join(60)

    assert was_served
    assert len(receiver.requests) >= 1


def test_receiver_can_ask_to_wait(app, webhook, receiver, change_user, deliver, wait):
    receiver.answer = lambda _event: (429, b"", {"Retry-After": "3000"})
    change_user(ADA, "a1")

    deliver()
    wait(seconds=2900)
    deliver()
    early = len(receiver.requests)
    wait(seconds=200)
    deliver()

    assert (early, len(receiver.requests)) == (1, 2)


@pytest.mark.stores
def test_delivery_of_a_dead_worker_is_repeated_with_the_same_id(
    app, webhook, receiver, change_user, deliver, wait
):
    change_user(ADA, "a1")
    with app.app_context():
        with write_transaction():
            [lease] = delivery_queue.lease_deliveries(webhook, 10)
        db.session.commit()

    deliver()
    assert receiver.requests == []
    wait(minutes=3)
    deliver()

    assert [one["id"] for one in receiver.events] == [str(lease.event.id)]
    with app.app_context():
        with write_transaction():
            assert delivery_queue.mark_delivered(lease, 200) is False
        db.session.commit()


@pytest.mark.stores
def test_delivery_is_made_once_by_twenty_parallel_workers(
    app, webhook, receiver, change_user, store
):
    users = [uuid4() for _ in range(10)]
    for number in range(4):
        for user_id in users:
            change_user(user_id, f"n{number}")

    def work():
        with app.app_context():
            worker = WebhookWorker()
            while "pending" in states(app):
                worker.deliver_due()

    run_in_parallel(*[work] * (20 if store.startswith("postgresql") else 4))

    assert len({one["id"] for one in receiver.events}) == len(receiver.requests) == 40
    for user_id in users:
        assert fields_of(receiver, user_id) == ["n0", "n1", "n2", "n3"]


def test_webhook_that_is_disabled_gets_no_new_events(app, webhook, change_user):
    with app.app_context():
        definitions.change_hook(webhook, HookChange(enabled=False), NO_REQUEST)
        db.session.commit()

    change_user(ADA, "a1")

    assert rows(app, WebhookEvent) == []


@pytest.mark.stores
def test_webhook_that_another_worker_deleted_stops_no_request(app, webhook, change_user):
    with app.app_context():
        subscriptions.refresh()
        db.session.execute(sa.delete(Hook))  # the memory does not know
        db.session.commit()

    change_user(ADA, "a1")

    assert rows(app, WebhookDelivery) == []


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_webhook_that_is_being_deleted_stops_no_request(app, webhook, change_user, monkeypatch):
    """A million deliveries take seconds to delete: what happens meanwhile must not wait."""
    change_user(ADA, "a1")
    is_deleting, is_done = threading.Event(), threading.Event()
    delete_deliveries = delivery_queue.delete_deliveries

    def delete_slowly(hook_id):
        delete_deliveries(hook_id)
        is_deleting.set()
        assert is_done.wait(60)

    monkeypatch.setattr(delivery_queue, "delete_deliveries", delete_slowly)

    def delete_webhook():
        with app.app_context():
            definitions.delete_hook(webhook, NO_REQUEST)
            db.session.commit()

    def change_meanwhile():
        assert is_deleting.wait(60)
        change_user(ADA, "a2")
        is_done.set()

    run_in_parallel(delete_webhook, change_meanwhile)

    assert rows(app, Hook) == rows(app, WebhookDelivery) == []
    assert len(rows(app, WebhookEvent)) == 2


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_webhook_with_a_large_backlog_is_served_without_reading_all_of_it(
    app, webhook, change_user, wait
):
    """Else a receiver that was down for a day gets nothing any more: each query takes too long."""
    change_user(ADA, "a1")
    [event] = rows(app, WebhookEvent)
    backlog = sa.text(
        "WITH e AS (INSERT INTO webhook_events (id, name, user_id, payload, created_at)"
        " SELECT gen_random_uuid(), name, gen_random_uuid(), payload, created_at"
        " FROM webhook_events, generate_series(1, 5000) RETURNING id, user_id, created_at)"
        " INSERT INTO webhook_deliveries (hook_id, event_id, user_id, state, attempts,"
        " next_attempt_at) SELECT :hook_id, id, user_id, 'pending', 0, created_at FROM e"
    )
    with app.app_context():
        db.session.execute(backlog, {"hook_id": webhook})
        db.session.commit()
        db.session.execute(sa.text("ANALYZE webhook_deliveries, webhook_events, hooks"))
        db.session.commit()

        assert delivery_queue.list_due_hooks() == [webhook]
        with record_statements(app) as statements:
            delivery_queue.list_due_hooks()
            delivery_queue.lease_deliveries(webhook, 10)
        db.session.rollback()
        for statement, values in statements[:2]:
            [[plan]] = db.session.connection().exec_driver_sql(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values
            )
            assert count_read_rows(plan[0]["Plan"]) < 200, statement
    assert event.name == "user.changed"


def test_webhook_has_two_signatures_while_its_secret_is_replaced(
    app, create_webhook, receiver, change_user, deliver
):
    hook_id, old = create_webhook(receiver.url)
    with app.app_context():
        rotated = definitions.rotate_secret(hook_id, timedelta(hours=1), NO_REQUEST)
        db.session.commit()
    change_user(ADA, "a1")

    deliver()

    [(headers, body)] = receiver.requests
    for secret in (old, rotated.secret):
        expect_signature(secret, headers, body)


def test_events_are_encrypted_and_purged_after_two_weeks(app, webhook, change_user, wait):
    change_user(ADA, "a1")
    [event] = rows(app, WebhookEvent)
    assert b"a1" not in event.payload
    assert str(ADA).encode() not in event.payload

    wait(days=13)
    change_user(ADA, "a2")
    wait(days=2)
    with app.app_context():
        cleanup.run_cleanup()

    assert len(rows(app, WebhookEvent)) == len(rows(app, WebhookDelivery)) == 1


def test_events_are_purged_in_batches_until_none_is_left(
    app, webhook, change_user, wait, monkeypatch
):
    monkeypatch.setattr(delivery_queue, "BATCH_SIZE", 2)
    change_user(ADA, *range(5))
    wait(days=15)
    change_user(ADA, "kept")

    with app.app_context():
        cleanup.run_cleanup()

    assert len(rows(app, WebhookEvent)) == len(rows(app, WebhookDelivery)) == 1


@pytest.mark.stores
def test_erased_user_leaves_only_the_event_that_says_so(app, webhook, change_user, deliver):
    change_user(ADA, "a1")
    change_user(BOB, "b1")
    with app.app_context():
        with write_transaction():
            publish(UserErased(ADA, NO_REQUEST))
        db.session.commit()

    names = [row.name for row in rows(app, WebhookEvent, user_id=ADA)]
    assert names == ["user.erased"]
    assert [row.name for row in rows(app, WebhookEvent, user_id=BOB)] == ["user.changed"]


# Server-side request forgery


@pytest.mark.requirement("RP-08")
@pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST=None)
def test_webhook_reaches_no_internal_address_in_any_spelling(
    app, create_webhook, change_user, deliver
):
    create_webhook("https://hooks.example.com")
    change_user(ADA, "a1")
    with loopback_server(respond_with(LOOPBACK_OK)) as v4:
        for host, scheme in product(INTERNAL_HOSTS, ("https", "http")):
            url = f"{scheme}://{host}:{v4.port}/"
            with app.app_context():
                db.session.execute(sa.update(Hook).values(url=url))
                change = {"attempts": 0, "next_attempt_at": clock.now(), "last_error": None}
                db.session.execute(sa.update(WebhookDelivery).values(change))
                db.session.commit()
            deliver()
            [row] = rows(app, WebhookDelivery)
            with case(url=url):
                assert (row.state, row.last_status) == ("pending", None)
                assert row.last_error

    assert v4.connections == 0


@pytest.mark.requirement("RP-08")
@pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST=None)
def test_webhook_whose_name_leads_into_the_network_later_is_not_reached(
    app, create_webhook, change_user, deliver, resolve_names
):
    with loopback_server(respond_with(LOOPBACK_OK)) as server:
        create_webhook(f"https://rebinding.example:{server.port}/")
        change_user(ADA, "a1")
        resolve_names("rebinding.example", ["93.184.216.34", "127.0.0.1"])
        deliver()

    [row] = rows(app, WebhookDelivery)
    assert row.last_error == "rebinding.example has an IP address that is not public."
    assert server.connections == 0
