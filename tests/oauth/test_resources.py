"""The operators' API of resources."""

import pytest

from models import OAuthResource
from tests.rows import audited, rows

RESOURCES, CLIENTS = "/admin/resources", "/admin/clients"
AUDIENCE = "https://api.example.com/orders"
ORDERS = {"audience": AUDIENCE, "name": "Orders", "scopes": {"orders:read": "See your orders."}}
BAD_AUDIENCES = {
    "not absolute": "api.example.com",
    "path": "/orders",
    "fragment": f"{AUDIENCE}#x",
    "empty fragment": f"{AUDIENCE}#",
    "space": "https://api.example.com/a b",
    "quote": 'https://api.example.com/"',
    "not ASCII": "https://api.example.com/\u00fc",
    "our own": "http://localhost:8000",
    "the userinfo endpoint": "http://localhost:8000/oauth2/userinfo",
    "our refresh tokens": "http://localhost:8000/auth/refresh",
    "ours in capitals": "HTTP://LOCALHOST:8000/x",
    "GATEHOUSE_AUDIENCE": "urn:gatehouse:own",
    "too long": "https://api.example.com/" + "a" * 255,
}


@pytest.fixture
def admin(sign_in_as):
    """An administrator who is signed in with a second factor."""
    return sign_in_as("admin", email="root@example.com")


def outcome(response):
    return response.status_code, response.json.get("code") if response.data else None


@pytest.mark.stores
def test_resource_is_registered_listed_read_changed_and_deleted(app, admin):
    created = admin.post(RESOURCES, ORDERS)
    path = f"{RESOURCES}/{created.json['id']}"
    admin.post(RESOURCES, {"audience": "urn:example:mail", "name": "Mail"})
    listed = admin.get(f"{RESOURCES}?limit=1").json
    rest = admin.get(f"{RESOURCES}?limit=1&cursor={listed['next_cursor']}").json
    etag = {"If-Match": created.headers["ETag"]}
    scopes = {"orders:write": "Change your orders.", "orders:read": "See your orders."}
    changed = admin.patch(path, {"scopes": scopes}, headers=etag)

    assert created.status_code == 201, created.json
    assert [one["name"] for one in (*listed["items"], *rest["items"])] == ["Mail", "Orders"]
    assert (changed.json["scopes"], changed.json["audience"]) == (scopes, AUDIENCE)
    assert outcome(admin.patch(path, {"name": "x"}, headers=etag)) == (412, "precondition_failed")
    assert admin.get(path).json == changed.json
    assert outcome(admin.post(RESOURCES, ORDERS)) == (409, "resource_exists")
    assert admin.delete(path).status_code == 204
    assert outcome(admin.get(path)) == (404, "not_found")
    for name, count in (("created", 2), ("changed", 1), ("deleted", 1)):
        events = audited(app, f"resource.{name}")
        assert [event.actor_kind for event in events] == ["user"] * count
        assert events[0].target_id == AUDIENCE


@pytest.mark.settings(GATEHOUSE_AUDIENCE="urn:gatehouse:own")
def test_resource_needs_an_audience_that_is_not_ours(app, admin):
    found = {
        name: admin.post(RESOURCES, ORDERS | {"audience": audience}).json["errors"].keys()
        for name, audience in BAD_AUDIENCES.items()
    }

    assert found == {name: {"audience"} for name in BAD_AUDIENCES}
    assert rows(app, OAuthResource) == []


def test_resource_has_scopes_that_are_tokens_and_not_reserved(app, admin):
    bad = ("openid", "offline_access", "address", "a b", 'a"b', "a\\b", "sch\u00f6n", "a" * 65, "")

    for name in bad:
        answer = admin.post(RESOURCES, ORDERS | {"scopes": {name: "x"}})
        assert outcome(answer) == (422, "validation_failed"), name
    for sentence in ("", "a\nb", "x" * 201, 5, None):
        answer = admin.post(RESOURCES, ORDERS | {"scopes": {"orders:read": sentence}})
        assert outcome(answer) == (422, "validation_failed"), sentence
    assert rows(app, OAuthResource) == []


def test_resource_of_a_client_is_not_deleted(admin):
    path = f"{RESOURCES}/{admin.post(RESOURCES, ORDERS).json['id']}"
    form = {"client_id": "billing", "kind": "service", "name": "Billing"}
    of_it = {"resources": [AUDIENCE], "scopes": ["orders:read"]}
    created = admin.post(CLIENTS, form | of_it)

    kept = admin.delete(path)
    admin.patch(f"{CLIENTS}/billing", {"resources": [], "scopes": []})

    assert created.status_code == 201, created.json
    assert (outcome(kept), "billing" in kept.json["detail"]) == ((409, "resource_in_use"), True)
    assert admin.delete(path).status_code == 204
