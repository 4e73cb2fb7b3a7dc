"""An administrator for an hour grants nothing that lasts longer than the hour."""

from datetime import UTC, datetime, timedelta

import pytest

from models import User as Account
from tests.admin.conftest import ADA, ROOT, outcome
from tests.rows import rows
from tests.tokens.forgery import case

EXCEEDS = (403, "forbidden")


def in_minutes(minutes):
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(timespec="seconds")


@pytest.fixture
def roles_of(app):
    """Return the path of the roles of a user."""
    return lambda email: f"/admin/users/{rows(app, Account, email=email)[0].id}/roles"


@pytest.fixture
def temporary(client, admin, make_user, roles_of):
    """Ada, who has a role for ever and is an administrator for an hour."""
    role = {"name": "helper", "description": "Helps.", "permissions": ["users:read"]}
    assert admin.post("/admin/roles", role).status_code == 201
    user = make_user(email=ADA, factors=["totp"])
    hour = {"role": "admin", "expires_at": in_minutes(60)}
    assigned = admin.put(roles_of(ADA), {"roles": [{"role": "helper"}, hour]})
    assert assigned.status_code == 200
    return client.as_(client.renew(user.tokens))


@pytest.mark.stores
@pytest.mark.requirement("AZ-04")
def test_temporary_administrator_assigns_no_role_that_lasts_longer(temporary, make_user, roles_of):
    helper, other = {"role": "helper"}, make_user()
    permanent, longer, shorter = (
        {"role": "admin"},
        {"role": "admin", "expires_at": in_minutes(90)},
        {"role": "support", "expires_at": in_minutes(30)},
    )
    for email, wanted in (
        (ADA, [helper, permanent]),
        (ADA, [helper, longer]),
        (other.email, [permanent]),
        (other.email, [{"role": "support"}]),
    ):
        with case(email=email, wanted=wanted):
            assert outcome(temporary.put(roles_of(email), {"roles": wanted})) == EXCEEDS
    for wanted in ([helper, shorter], [helper], []):
        with case(wanted=wanted):
            response = temporary.put(roles_of(other.email), {"roles": wanted})
            assert response.status_code == 200


@pytest.mark.requirement("AZ-04")
def test_temporary_administrator_adds_no_permission_to_a_role(temporary, admin):
    path = "/admin/roles/helper"
    for change in ({"permissions": ["users:read", "roles:write"]}, {"parents": ["support"]}):
        with case(change=change):
            assert outcome(temporary.patch(path, change)) == EXCEEDS
    assert admin.get(path).json["all_permissions"] == ["users:read"]
    role = {"name": "mine", "description": "Mine.", "permissions": ["roles:write"]}
    assert outcome(temporary.post("/admin/roles", role)) == EXCEEDS
    assert temporary.patch(path, {"description": "x", "permissions": []}).status_code == 200


def test_expiry_beyond_the_calendar_is_rejected(admin, make_user, roles_of):
    path = roles_of(make_user().email)
    for expires_at in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"):
        with case(expires_at=expires_at):
            body = {"roles": [{"role": "support", "expires_at": expires_at}]}
            assert admin.put(path, body).status_code == 422


@pytest.mark.requirement("AZ-04")
def test_who_has_all_permissions_of_today_is_no_administrator_of_tomorrow(
    client, admin, make_user, roles_of
):
    listed = admin.get("/admin/permissions", query_string={"limit": 100}).json["items"]
    role = {"name": "today", "description": "All.", "permissions": [one["name"] for one in listed]}
    assert admin.post("/admin/roles", role).status_code == 201
    user = make_user(email=ADA, roles=["today"], factors=["totp"])
    own, root = client.as_(client.renew(user.tokens)), roles_of(ROOT)

    attempts = [
        own.put(roles_of(ADA), {"roles": [{"role": "today"}, {"role": "admin"}]}),
        own.patch("/admin/roles/today", {"parents": ["admin"]}),
        own.post("/admin/roles", {"name": "a", "description": "x", "parents": ["admin"]}),
        own.put(root, {"roles": [{"role": "admin", "reason": "mine"}]}),
        own.post(root.replace("roles", "reset-password")),
    ]

    assert [outcome(response) for response in attempts] == [EXCEEDS] * 5
