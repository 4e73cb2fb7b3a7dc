"""Service accounts: their keys follow their roles, their owner and the time."""

from datetime import UTC, datetime, timedelta

import pytest

from gatehouse.operations import cleanup
from gatehouse.tokens import sync
from models import ApiKey
from tests.rows import audited, rows
from tests.service_accounts.conftest import ACCOUNTS, OWNER, outcome

USERS = "/admin/users"


def refresh(app):
    with app.app_context():
        sync.refresh()


@pytest.mark.stores
@pytest.mark.requirement("SE-06")
def test_key_dies_with_its_service_account(admin, make_key):
    key = make_key()

    admin.patch(key.account, {"enabled": False})
    disabled = outcome(key.client.get("/gateway/verify"))
    admin.patch(key.account, {"enabled": True})
    enabled = outcome(key.client.get("/gateway/verify"))
    admin.delete(key.account)

    assert (disabled, enabled) == ((401, "api_key_disabled"), (200, None))
    assert outcome(key.client.get("/gateway/verify")) == (401, "api_key_invalid")


@pytest.mark.stores
@pytest.mark.requirement("SE-06")
def test_key_is_rejected_at_once_while_the_owner_is_disabled(app, admin, make_key, owner_id, wait):
    key = make_key()

    for action, code in (("disable", "api_key_disabled"), ("enable", None)):
        assert admin.post(f"{USERS}/{owner_id}/{action}", {"reason": "left"}).status_code == 200
        if action == "enable":
            wait(seconds=61)
            refresh(app)
        assert outcome(key.client.get("/gateway/verify"))[1] == code
    user = admin.get(f"{USERS}/{owner_id}")
    deleted = admin.delete(f"{USERS}/{owner_id}", headers={"If-Match": user.headers["ETag"]})

    assert deleted.status_code == 204
    assert outcome(key.client.get(USERS)) == (401, "api_key_disabled")


def test_key_works_again_with_another_owner(app, admin, make_key, owner_id, make_user):
    key = make_key()
    admin.post(f"{USERS}/{owner_id}/disable", {"reason": "left"})
    make_user(email="next@example.com")
    [successor] = admin.get(f"{USERS}?q=next@example.com").json["items"]

    refused = admin.patch(key.account, {"owner_id": owner_id})
    accepted = admin.patch(key.account, {"owner_id": successor["id"]})

    assert outcome(refused) == (422, "validation_failed")
    assert outcome(accepted) == (200, None)
    assert outcome(key.client.get(USERS)) == (200, None)


@pytest.mark.stores
def test_key_follows_the_roles_of_its_service_account(
    app, admin, make_key, make_account, make_role
):
    role = make_role("reader", "users:read")
    key = make_key("users:read", account=make_account(role))

    for path, change, expected in (
        ("/admin/roles/reader", {"permissions": ["roles:read"]}, (403, "forbidden")),
        ("/admin/roles/reader", {"permissions": ["users:read"]}, (200, None)),
        (key.account, {"roles": []}, (403, "forbidden")),
    ):
        assert admin.patch(path, change).status_code == 200
        refresh(app)
        assert outcome(key.client.get(USERS)) == expected


def test_key_loses_a_role_when_its_assignment_expires(app, admin, make_key, make_account, wait):
    key = make_key("users:read", account=make_account("support"))
    until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    admin.patch(key.account, {"roles": [{"role": "support", "expires_at": until}]})
    before = outcome(key.client.get("/gateway/verify?require=users:read"))

    wait(minutes=5)
    refresh(app)

    assert before == (200, None)
    assert outcome(key.client.get("/gateway/verify?require=users:read")) == (403, "forbidden")


def test_service_accounts_are_listed_with_their_roles_in_pages(admin, make_account):
    for name, roles in (("a", ["support"]), ("b", ["auditor", "support"]), ("c", [])):
        make_account(*roles, name=name)

    first = admin.get(f"{ACCOUNTS}?limit=2").json
    second = admin.get(f"{ACCOUNTS}?limit=2&cursor={first['next_cursor']}").json

    found = [
        (one["name"], [role["role"] for role in one["roles"]])
        for one in first["items"] + second["items"]
    ]
    assert found == [("c", []), ("b", ["auditor", "support"]), ("a", ["support"])]
    assert second["next_cursor"] is None


@pytest.mark.stores
@pytest.mark.requirement("RG-11")
def test_key_that_expires_soon_is_announced_to_its_owner_14_and_3_days_before(
    app, client, make_key, wait
):
    def announced():
        with app.app_context():
            for _ in range(2):
                cleanup.run_cleanup()
        return [event.details["days"] for event in audited(app, "api_key.expiry_announced")]

    expires_at = datetime.now(UTC) + timedelta(days=20)
    make_key(expires_at=expires_at.isoformat())
    make_key(expires_at=(datetime.now(UTC) + timedelta(days=2)).isoformat())
    mails = []

    found = [announced()]
    for days in (5.9, 0.2, 10.7, 0.3, 3):
        wait(days=days)
        found.append(announced())
        mails = client.mailbox(to=OWNER) or mails

    assert found == [[], [], [14], [14], [14, 3], [14, 3]]
    assert len(mails) == 1  # older ones are deleted after a week
    assert "deploy" in mails[0]["text"]
    assert mails[0]["subject"] == "An API key expires soon"


def test_key_that_ended_long_ago_is_deleted(app, admin, make_key, wait):
    key = make_key()
    admin.delete(key.url)

    for days, left in ((89, 1), (2, 0)):
        wait(days=days)
        with app.app_context():
            cleanup.run_cleanup()
        assert len(rows(app, ApiKey)) == left
