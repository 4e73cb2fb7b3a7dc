"""The operators' API of hooks."""

from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from gatehouse.hooks import stored_secrets
from models import Hook
from tests.admin.conftest import if_match, outcome
from tests.client import Client
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.tokens.forgery import case

HOOKS = "/admin/hooks"
WEBHOOK = {
    "kind": "webhook",
    "name": "crm",
    "url": "https://hooks.example.com/gatehouse",
    "events": ["user.created"],
}
BLOCKING = {
    "kind": "before_login",
    "name": "fraud",
    "url": "https://fraud.example.com/login",
    "on_failure": "deny",
}


def read_secrets(app):
    [row] = rows(app, Hook)
    with app.app_context():
        return stored_secrets.decrypt(row.secrets, row.id)


@pytest.fixture
def webhook(admin):
    """A webhook, as the answer to its creation."""
    response = admin.post(HOOKS, WEBHOOK)
    assert response.status_code == 201, response.json
    return response


@pytest.fixture
def path(webhook):
    return f"{HOOKS}/{webhook.json['id']}"


@pytest.mark.stores
def test_hook_is_created_listed_read_changed_and_deleted(app, admin, webhook, path):
    blocking = admin.post(HOOKS, BLOCKING)
    listed = admin.get(f"{HOOKS}?limit=1").json
    changed = admin.patch(path, {"enabled": False, "events": ["*"]}, headers=if_match(webhook))

    assert [one["name"] for one in listed["items"]] == ["fraud"]
    rest = admin.get(f"{HOOKS}?limit=1&cursor={listed['next_cursor']}").json
    assert [one["name"] for one in rest["items"]] == ["crm"]
    assert (blocking.json["timeout_ms"], blocking.json["events"]) == (300, [])
    assert (changed.json["enabled"], changed.json["events"]) == (False, ["*"])
    assert admin.get(path).json == changed.json
    assert admin.delete(path).status_code == 204
    assert outcome(admin.get(path)) == (404, "not_found")
    assert [event.details for event in audited(app, "hook.changed")] == [
        {"hook_id": webhook.json["id"], "name": "crm", "fields": ["enabled", "events"]}
    ]
    for name, count in (("created", 2), ("changed", 1), ("deleted", 1)):
        events = audited(app, f"hook.{name}")
        assert [event.actor_kind for event in events] == ["user"] * count
        assert events[0].target_kind == "hook"


def test_hook_secret_is_shown_once_and_stored_encrypted(app, admin, webhook, path):
    secret = webhook.json["secret"]

    rotated = admin.post(f"{path}/rotate-secret")

    assert secret.startswith("whsec_")
    assert rotated.json["secret"] not in (secret, None)
    assert read_secrets(app).active == (rotated.json["secret"], secret)
    for response in (admin.get(path), admin.get(HOOKS)):
        assert "whsec_" not in response.text
    [row] = rows(app, Hook)
    assert secret[6:].encode() not in row.secrets
    assert "whsec_" not in str([event.details for event in audited(app, "hook.secret_rotated")])


def test_hook_secret_is_replaced_with_an_overlap(app, admin, webhook, path, wait):
    rotated = admin.post(f"{path}/rotate-secret", {"overlap_minutes": 2}).json
    during = read_secrets(app).active
    wait(minutes=2)
    after = read_secrets(app).active
    until = admin.get(path).json["previous_secret_until"]

    at_once = admin.post(f"{path}/rotate-secret", {"overlap_minutes": 0}).json

    assert during == (rotated["secret"], webhook.json["secret"])
    assert (after, until) == ((rotated["secret"],), None)
    assert rotated["previous_secret_until"] is not None
    assert read_secrets(app).active == (at_once["secret"],)


def test_hook_whose_secret_cannot_be_decrypted_is_listed_and_gets_a_new_one(app, admin, path):
    """A lost encryption key must not keep operators from what repairs it."""
    with app.app_context():
        db.session.execute(sa.update(Hook).values(secrets=b"unreadable"))
        db.session.commit()

    assert [one["name"] for one in admin.get(HOOKS).json["items"]] == ["crm"]
    assert admin.get(path).json["previous_secret_until"] is None
    assert admin.patch(path, {"enabled": False}).status_code == 200
    rotated = admin.post(f"{path}/rotate-secret").json
    assert read_secrets(app).active == (rotated["secret"],)
    assert admin.delete(path).status_code == 204


@pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="hooks.internal, 10.1.0.0/16")
@pytest.mark.requirement("RP-08")
def test_hook_url_must_be_allowed(admin):
    forbidden = [
        *("http://hooks.example.com", "https://user:pw@hooks.example.com", "https://"),
        *(
            "ftp://hooks.example.com",
            "https://127.0.0.1/",
            "https://[::1]/",
            "x",
            "http://10.2.0.1",
        ),
        *("https://169.254.169.254/latest", "https://hooks.example.com:99999/"),
        "https://hooks.example.com/" + "x" * 2000,
    ]

    for url in forbidden:
        with case(url=url):
            response = admin.post(HOOKS, {**WEBHOOK, "url": url})
            assert outcome(response) == (422, "validation_failed")
            assert list(response.json["errors"]) == ["url"]
    for number, url in enumerate(
        ("http://hooks.internal/x", "https://10.1.2.3/", "https://a.b/?c")
    ):
        with case(url=url):
            response = admin.post(HOOKS, {**WEBHOOK, "name": f"h{number}", "url": url})
            assert response.status_code == 201


def test_hook_has_only_what_belongs_to_its_kind(admin, path):
    wrong = [
        ({**WEBHOOK, "events": []}, "events", "required"),
        ({**WEBHOOK, "events": ["Users"]}, "events.0", "invalid"),
        ({**WEBHOOK, "on_failure": "deny"}, "on_failure", "not_of_this_kind"),
        ({**WEBHOOK, "timeout_ms": 100}, "timeout_ms", "not_of_this_kind"),
        ({**BLOCKING, "events": ["*"]}, "events", "not_of_this_kind"),
        ({**BLOCKING, "kind": "after_login"}, "kind", "invalid"),
        ({**BLOCKING, "timeout_ms": 301}, "timeout_ms", "invalid"),
        ({**BLOCKING, "on_failure": "ignore"}, "on_failure", "invalid"),
        ({"kind": "before_login", "name": "a", "url": "https://a.b"}, "on_failure", "required"),
    ]

    for form, field, code in wrong:
        with case(form=form):
            response = admin.post(HOOKS, {**form, "name": "other"})
            assert outcome(response) == (422, "validation_failed")
            assert response.json["errors"][field][0]["code"] == code
    assert outcome(admin.patch(path, {"on_failure": "deny"})) == (422, "validation_failed")
    assert outcome(admin.patch(path, {"events": []})) == (422, "validation_failed")


def test_hook_name_is_unique(admin, webhook, path):
    other = admin.post(HOOKS, {**BLOCKING})
    renamed = admin.patch(path, {"name": "crm"})

    assert outcome(admin.post(HOOKS, WEBHOOK)) == (409, "hook_exists")
    assert outcome(admin.patch(path, {"name": other.json["name"]})) == (409, "hook_exists")
    assert renamed.status_code == 200


def test_hooks_are_at_most_fifty(admin):
    statuses = [
        admin.post(HOOKS, {**BLOCKING, "name": f"h{number}"}).status_code for number in range(51)
    ]

    assert statuses == [201] * 50 + [409]


def test_hook_in_another_version_is_not_changed(admin, webhook, path):
    admin.patch(path, {"enabled": False})

    stale = [
        admin.patch(path, {"enabled": True}, headers=if_match(webhook)),
        admin.post(f"{path}/rotate-secret", headers=if_match(webhook)),
        admin.delete(path, headers=if_match(webhook)),
    ]

    assert [outcome(response) for response in stale] == [(412, "precondition_failed")] * 3
    assert admin.get(path).json["enabled"] is False


@pytest.mark.stores
def test_hook_in_one_version_is_changed_once_in_twenty_parallel_requests(app, admin, webhook, path):
    def rotate():
        own = Client(app.test_client, admin._bearer)
        return own.post(f"{path}/rotate-secret", headers=if_match(webhook)).status_code

    statuses = run_in_parallel(*[partial(rotate) for _ in range(20)])

    assert sorted(statuses) == [200] + [412] * 19
    assert len(audited(app, "hook.secret_rotated")) == 1


@pytest.mark.requirement("AZ-01")
def test_hooks_are_read_by_auditors_and_changed_by_administrators_only(sign_in_as, webhook, path):
    auditor = sign_in_as("auditor", email="auditor@example.com")

    assert auditor.get(path).status_code == 200
    for response in (
        auditor.post(HOOKS, BLOCKING),
        auditor.patch(path, {"enabled": False}),
        auditor.delete(path),
        auditor.post(f"{path}/rotate-secret"),
    ):
        assert outcome(response) == (403, "forbidden")
    support = sign_in_as("support", email="helen@example.com")
    assert outcome(support.get(HOOKS)) == (403, "forbidden")
