"""API keys: created, shown once, rotated, revoked and rejected, each with its reason."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from config import ROOT
from models import ApiKey
from tests.rows import audited, rows
from tests.service_accounts.conftest import ACCOUNTS, outcome

USERS = "/admin/users"
GUIDE = ROOT / "docs" / "api-keys.md"


def test_key_is_recognised_by_secret_scanners_as_the_guide_says(make_key):
    text = make_key().text
    [program] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    names = {}
    exec(program, names)

    is_api_key = names["is_api_key"]
    changed = text[:30] + ("a" if text[30] != "a" else "b") + text[31:]
    assert is_api_key(text)
    assert [is_api_key(other) for other in (text[:-1], text.lower(), changed)] == [False] * 3


@pytest.mark.requirement("AZ-03")
def test_key_is_shown_once_and_stored_as_a_digest_only(app, admin, make_key):
    key = make_key()

    answers = [admin.get(path).data for path in (key.url, f"{key.account}/keys", key.account)]
    [row] = rows(app, ApiKey)

    secret = key.text.rpartition("_")[2]
    assert not any(secret.encode() in answer for answer in answers)
    assert secret not in str(vars(row))
    assert len(row.digest) == 64


@pytest.mark.stores
def test_key_that_was_revoked_is_rejected_with_its_reason(app, admin, make_key):
    key, other = make_key(), make_key()

    assert outcome(admin.delete(key.url)) == (204, None)

    for path in (USERS, "/gateway/verify"):
        assert outcome(key.client.get(path)) == (401, "api_key_revoked")
        assert outcome(other.client.get(path)) == (200, None)
    assert admin.delete(key.url).status_code == 204
    assert len(audited(app, "api_key.revoked")) == 1


def test_key_that_has_expired_is_rejected(make_key, wait):
    key = make_key(expires_at=(datetime.now(UTC) + timedelta(days=1)).isoformat())

    wait(days=1)

    assert outcome(key.client.get("/gateway/verify")) == (401, "api_key_expired")


def test_key_is_accepted_from_its_networks_only(make_key):
    ours, theirs = (
        make_key(networks=["127.0.0.0/8", "::1/128"]),
        make_key(networks=["192.0.2.0/24"]),
    )

    for path in (USERS, "/gateway/verify"):
        assert outcome(ours.client.get(path)) == (200, None)
        assert outcome(theirs.client.get(path)) == (401, "api_key_network")


@pytest.mark.stores
def test_key_is_rotated_with_an_overlap(app, admin, make_key, wait):
    key = make_key()

    rotated = admin.post(f"{key.url}/rotate", {"overlap_minutes": 60})
    again = admin.post(f"{key.url}/rotate")

    assert rotated.status_code == 201
    assert outcome(again) == (409, "api_key_ended")
    successor = key.client.as_(rotated.json["key"])
    assert admin.get(key.url).json["successor_id"] == rotated.json["id"]
    assert [one.get(USERS).status_code for one in (key.client, successor)] == [200, 200]
    wait(minutes=60)
    assert outcome(key.client.get(USERS)) == (401, "api_key_expired")
    assert successor.get(USERS).status_code == 200
    [created] = [e.details for e in audited(app, "api_key.created") if "replaces" in e.details]
    assert created["replaces"] == key.id


def test_key_changes_need_the_version_that_was_read(admin, make_key):
    key = make_key()
    version = admin.get(key.url).headers["ETag"]
    key.client.get(USERS)

    stale = admin.delete(key.url, headers={"If-Match": '"other"'})
    current = admin.delete(key.url, headers={"If-Match": version})

    assert (stale.status_code, current.status_code) == (412, 204)
    assert admin.patch(key.account, {"name": "x"}, headers={"If-Match": '"x"'}).status_code == 412


@pytest.mark.requirement("AZ-04")
def test_key_has_no_permission_that_its_creator_or_account_lacks(
    sign_in_as, make_account, make_role, admin
):
    own = ("service-accounts:write", "users:read")
    helper = sign_in_as(make_role("helper", *own), email="helper@example.com")
    plain, powerful = make_account("helper"), make_account("admin", name="powerful")

    for url, permission, expected in (
        (plain, "users:read", (201, None)),
        (plain, "users:write", (422, "validation_failed")),
        (plain, "no:such", (422, "validation_failed")),
        (powerful, "users:read", (403, "forbidden")),
    ):
        form = {"name": "x", "permissions": [permission]}
        assert outcome(helper.post(f"{url}/keys", form)) == expected
    for change in ({"enabled": False}, {"roles": []}, {"owner_id": None}):
        assert helper.patch(powerful, change).status_code in {403, 422}
    assert outcome(helper.patch(plain, {"roles": [{"role": "admin"}]})) == (403, "forbidden")
    assert outcome(helper.delete(powerful)) == (403, "forbidden")


@pytest.mark.requirement("AZ-04")
def test_key_does_not_outlast_the_role_of_its_creator(client, admin, make_account, make_user):
    account = make_account("support")
    user = make_user(email="temp@example.com", factors=["totp"])
    [found] = admin.get(f"{USERS}?q=temp@example.com").json["items"]
    until = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    role = {"role": "admin", "expires_at": until}
    assert admin.put(f"{USERS}/{found['id']}/roles", {"roles": [role]}).status_code == 200
    temporary = client.as_(client.renew(user.tokens))
    form = {"name": "x", "permissions": ["users:read"]}

    short = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert outcome(temporary.post(f"{account}/keys", form)) == (403, "forbidden")
    assert outcome(temporary.post(f"{account}/keys", form | {"expires_at": short})) == (201, None)


def test_keys_of_a_service_account_are_at_most_ten(admin, make_account):
    url = f"{make_account('support')}/keys"
    form = {"name": "x", "permissions": ["users:read"]}

    statuses = [admin.post(url, form).status_code for _ in range(11)]

    assert statuses == [201] * 10 + [409]
    page = admin.get(f"{url}?limit=7").json
    rest = admin.get(f"{url}?limit=7&cursor={page['next_cursor']}").json
    assert [len(page["items"]), len(rest["items"]), rest["next_cursor"]] == [7, 3, None]


def test_key_is_invalid_where_it_was_mistyped(make_key):
    key = make_key()

    for text in (key.text[:-1], key.text + "x", key.text.lower(), "ghk_", key.text[:-3] + "000"):
        assert outcome(key.client.as_(text).get("/gateway/verify")) == (401, "api_key_invalid")


def test_key_forms_say_what_is_wrong(admin, make_account):
    url = f"{make_account('support')}/keys"
    form = {"name": "x", "permissions": ["users:read"]}

    for more, field in (
        ({"networks": ["192.0.2.1/24"]}, "networks"),
        ({"networks": ["here"]}, "networks"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00Z"}, "expires_at"),
        ({"permissions": []}, "permissions"),
        ({"service_account_id": "x"}, "service_account_id"),
    ):
        response = admin.post(url, form | more)
        assert (response.status_code, list(response.json["errors"])) == (422, [field])
    taken = {"name": "deploy", "description": "x", "owner_id": admin.get(url[:-5]).json["owner_id"]}
    assert outcome(admin.post(ACCOUNTS, taken)) == (409, "service_account_exists")
