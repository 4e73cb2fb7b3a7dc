"""The operators' API of deliveries to webhooks: list, replay and test."""

from uuid import uuid4

import pytest

from gatehouse.core.events import UserChanged, publish
from gatehouse.database.session import db, write_transaction
from gatehouse.hooks.delivery_worker import WebhookWorker
from gatehouse.web.request_context import NO_REQUEST
from models import WebhookEvent
from tests.admin.conftest import outcome
from tests.rows import audited, rows
from tests.tokens.forgery import case
from tests.webhook_receiver import webhook_receiver

pytestmark = pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="127.0.0.1")
SOME_ID = str(uuid4())


@pytest.fixture
def receiver():
    with webhook_receiver() as running:
        yield running


@pytest.fixture
def hook(admin, receiver):
    """The path of a webhook."""
    form = {"kind": "webhook", "name": "crm", "url": receiver.url, "events": ["user.changed"]}
    return f"/admin/hooks/{admin.post('/admin/hooks', form).json['id']}"


def change_users(app, *users):
    """Publish a change of each user, and deliver it."""
    with app.app_context():
        for user_id in users:
            with write_transaction():
                publish(UserChanged(user_id, NO_REQUEST, ("name",)))
            db.session.commit()
        WebhookWorker().deliver_due()


def deliver(app):
    with app.app_context():
        WebhookWorker().deliver_due()


def test_deliveries_are_listed_in_pages_the_newest_first(app, admin, hook, receiver):
    users = [uuid4() for _ in range(3)]
    receiver.answer = lambda event: (
        (500, b"secret of the receiver", {})
        if event["data"]["user_id"] == str(users[2])
        else (200, b"", {})
    )
    change_users(app, *users)

    first = admin.get(f"{hook}/deliveries?limit=2").json
    second = admin.get(f"{hook}/deliveries?limit=2&cursor={first['next_cursor']}").json

    items = first["items"] + second["items"]
    assert {item["user_id"] for item in items} == {str(user_id) for user_id in users}
    [failed] = [item for item in items if item["state"] == "pending"]
    assert (failed["last_status"], failed["last_error"]) == (500, "It answered 500.")
    assert failed["attempts"] == 1
    assert failed["next_attempt_at"]
    assert "secret of the receiver" not in str(items)
    assert second["next_cursor"] is None


def test_replay_delivers_with_the_same_ids(app, admin, hook, receiver):
    users = [uuid4(), uuid4()]
    change_users(app, *users)
    [first, second] = receiver.events

    one = admin.post(f"{hook}/replay", {"event_id": first["id"]})
    deliver(app)
    all_of_them = admin.post(f"{hook}/replay", {"since": first["occurred_at"]})
    deliver(app)

    assert (one.json, all_of_them.json) == ({"count": 1}, {"count": 2})
    replayed = [event["id"] for event in receiver.events[2:]]
    assert replayed == [first["id"], first["id"], second["id"]]
    assert [event.details["count"] for event in audited(app, "hook.replayed")] == [1, 2]


def test_replay_is_limited_to_the_event_and_the_time_that_are_given(app, admin, hook):
    change_users(app, uuid4(), uuid4())
    [newer, _older] = admin.get(f"{hook}/deliveries").json["items"]
    late = {"since": "2126-01-01T00:00:00Z"}

    for form, count in (({}, 2), (late, 0), ({"since": "2026-01-01T00:00:00Z"}, 2)):
        with case(form=form):
            assert admin.post(f"{hook}/replay", form).json == {"count": count}
    for form in ({"event_id": SOME_ID}, {"event_id": newer["event_id"], **late}):
        with case(form=form):
            assert outcome(admin.post(f"{hook}/replay", form)) == (404, "not_found")
    for form in ({"since": "yesterday"}, {"event_id": "x"}, {"until": "2026-01-01T00:00:00Z"}):
        with case(form=form):
            assert admin.post(f"{hook}/replay", form).status_code == 422


def test_test_event_is_sent_at_once_and_kept_nowhere(app, admin, hook, receiver):
    response = admin.post(f"{hook}/test")

    [event] = receiver.events
    assert (event["type"], event["actor_kind"]) == ("hook.test", "user")
    assert response.json == {
        "event_id": event["id"],
        "delivered": True,
        "status": 200,
        "message": "It answered 200.",
        "advice": None,
    }
    assert rows(app, WebhookEvent) == []
    assert len(audited(app, "hook.tested")) == 1


def test_test_event_that_fails_says_what_to_correct(admin, hook, receiver):
    for status, advice in (
        (302, "Redirects are not followed"),
        (401, "verifies the signature"),
        (404, "the path of the URL"),
        (418, "the log of the receiver"),
        (500, "the log of the receiver"),
    ):
        receiver.answer = lambda _event, status=status: (status, b"inner secret", {})
        with case(status=status):
            result = admin.post(f"{hook}/test").json
            assert (result["delivered"], result["status"]) == (False, status)
            assert advice in result["advice"]
            assert "inner secret" not in str(result)
    receiver.stop()
    result = admin.post(f"{hook}/test").json
    assert (result["delivered"], result["status"]) == (False, None)
    assert "Check the URL" in result["advice"]


def test_blocking_hook_has_no_deliveries(admin):
    form = {"kind": "before_login", "name": "fraud", "url": "https://fraud.example.com"}
    created = admin.post("/admin/hooks", form | {"on_failure": "deny"}).json
    path = f"/admin/hooks/{created['id']}"

    assert admin.get(f"{path}/deliveries").json["items"] == []
    for action, form in (("test", {}), ("replay", {"since": "2026-01-01T00:00:00Z"})):
        assert outcome(admin.post(f"{path}/{action}", form)) == (409, "not_a_webhook")


def test_deliveries_need_the_permissions_of_hooks(client, make_user, admin, hook):
    other = client.as_(client.log_in(make_user(email="eve@example.com")))
    unknown = f"/admin/hooks/{SOME_ID}"

    for path in ("deliveries", "replay", "test"):
        send = other.get if path == "deliveries" else other.post
        assert send(f"{hook}/{path}").status_code == 403
        own = admin.get if path == "deliveries" else admin.post
        form = () if path == "deliveries" else ({"since": "2026-01-01T00:00:00Z"},)
        assert own(f"{unknown}/{path}", *form).status_code == 404
