"""API keys at the guard of administration, at gateways, and where they are not accepted."""

import pytest

from tests.rows import audited
from tests.service_accounts.conftest import ROOT, outcome

USERS = "/admin/users"


@pytest.mark.stores
@pytest.mark.requirement("AZ-01")
def test_key_reads_what_its_scope_allows_without_a_second_factor(app, make_key):
    key = make_key("users:read")

    assert outcome(key.client.get(USERS)) == (200, None)
    assert outcome(key.client.get("/admin/roles")) == (403, "forbidden")
    [denied] = audited(app, "authorization.denied")
    assert (denied.actor_kind, str(denied.actor_id)) == (
        "service_account",
        key.account.rpartition("/")[2],
    )
    assert (denied.client_id, denied.user_id) == (key.id, None)


def test_key_is_not_accepted_for_the_account_of_a_person(make_key):
    key = make_key("users:read")

    for method, path in [("GET", "/auth/me"), ("PATCH", "/auth/me"), ("GET", "/auth/sessions")]:
        response = key.client.send(method, path, json=None if method == "GET" else {"name": "x"})
        assert outcome(response) == (401, "api_key_not_accepted")
        assert "invalid_token" in response.headers["WWW-Authenticate"]


@pytest.mark.stores
def test_key_passes_a_gateway_with_the_identity_of_its_service_account(make_key):
    key = make_key("users:read", "roles:read")

    passed = key.client.get("/gateway/verify?require=users:read&require=roles:read")

    assert passed.status_code == 200
    assert [passed.headers[f"X-Auth-{name}"] for name in ("User", "Session", "Roles", "Scope")] == [
        key.account.rpartition("/")[2],
        key.id,
        "",
        "roles:read users:read",
    ]
    for required in ("users:write", "role:admin", "aal1", "aal2"):
        response = key.client.get(f"/gateway/verify?require={required}")
        assert outcome(response) == (403, "forbidden")


def test_key_changes_users_as_its_service_account(app, make_key, make_user, owner_id):
    key = make_key("users:write")

    response = key.client.post(f"{USERS}/{owner_id}/disable", {"reason": "left"})

    assert response.status_code == 200
    [event] = audited(app, "user.disabled")
    assert (event.actor_kind, event.client_id) == ("service_account", key.id)


@pytest.mark.requirement("AZ-04")
def test_key_never_acts_on_an_administrator(app, make_key, admin):
    key = make_key("users:read", "users:write", "roles:write")
    [root] = key.client.get(f"{USERS}?q={ROOT}").json["items"]

    disabled = key.client.post(f"{USERS}/{root['id']}/disable", {"reason": "x"})
    demoted = key.client.put(f"{USERS}/{root['id']}/roles", {"roles": []})

    assert outcome(disabled) == outcome(demoted) == (403, "forbidden")


@pytest.mark.requirement("AZ-04")
def test_key_grants_nothing_that_it_lacks_or_that_outlasts_it(make_key, make_role, owner_id):
    key = make_key("roles:write", "users:read")
    make_role("reader", "users:read")
    make_role("writer", "users:write")
    path = f"{USERS}/{owner_id}/roles"

    for role in ({"role": "reader"}, {"role": "writer", "expires_at": "2030-01-01T00:00:00Z"}):
        assert outcome(key.client.put(path, {"roles": [role]})) == (403, "forbidden")


def test_key_cannot_do_what_needs_a_person(make_key, make_account, make_role, owner_id):
    granted = ("users:write", "service-accounts:write", "service-accounts:read")
    key = make_key(*granted, account=make_account(make_role("keeper", *granted), name="keeper"))

    for path, form in (
        (f"{key.account}/keys", {"name": "x", "permissions": ["users:read"]}),
        (f"{key.url}/rotate", {}),
        (f"{USERS}/{owner_id}/reset-mfa", {}),
    ):
        assert outcome(key.client.post(path, form)) == (403, "person_required")
    assert outcome(key.client.get(f"{key.account}/keys")) == (200, None)
    assert outcome(key.client.delete(key.url)) == (204, None)


def test_key_changes_many_users_but_does_not_reset_their_factors(app, make_key, owner_id):
    key = make_key("users:read", "users:write")
    form = {"users": [{"id": owner_id}], "reason": "left"}

    refused = {
        name: outcome(key.client.post(f"{USERS}/bulk", form | {"operation": name}))
        for name in ("reset-mfa", "delete")
    }
    alone = outcome(key.client.post(f"{USERS}/{owner_id}/reset-mfa"))
    disabled = key.client.post(f"{USERS}/bulk", form | {"operation": "disable"})

    assert alone == (403, "person_required")
    assert refused == {"reset-mfa": alone, "delete": (403, "forbidden")}
    assert disabled.json["succeeded"] == 1
    assert [event.actor_kind for event in audited(app, "user.disabled")] == ["service_account"]
