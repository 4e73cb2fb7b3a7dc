"""Roles and permissions over HTTP: define them, assign them, and what an administrator may not."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gatehouse.authorization import definitions
from gatehouse.database.session import db
from gatehouse.tokens import sync
from models import AuthorizationChange, Permission, RoleAssignment
from models import User as Account
from tests.client import User
from tests.rows import audited, rows
from tests.tokens.forgery import assert_rejected, case, decode_token

ROLES, PERMISSIONS = "/admin/roles", "/admin/permissions"


@pytest.fixture
def admin(sign_in_as):
    return sign_in_as("admin")


def id_of(app, user):
    return str(rows(app, Account, email=user.email)[0].id)


def read_scope(tokens):
    return decode_token(tokens["access_token"])[1]["scope"].split()


def assign(client, user_id, *roles):
    body = {"roles": [one if isinstance(one, dict) else {"role": one} for one in roles]}
    return client.put(f"/admin/users/{user_id}/roles", body)


def define(admin, role, *permissions, parents=()):
    for name in permissions:
        admin.post(PERMISSIONS, {"name": name, "description": name})
    body = {"name": role, "description": role, "permissions": list(permissions)}
    response = admin.post(ROLES, body | {"parents": list(parents)})
    assert response.status_code == 201, response.text
    return response.json


@pytest.mark.stores
def test_role_of_an_operator_grants_the_permissions_of_its_application(
    app, client, make_user, admin
):
    define(admin, "clerk", "orders:read")
    role = define(admin, "manager", "orders:refund", parents=["clerk"])
    user = make_user()
    tokens = client.log_in(user)

    response = assign(admin, id_of(app, user), {"role": "manager", "reason": "ticket 7"})
    renewed = client.refresh(tokens).json

    assert role["all_permissions"] == ["orders:read", "orders:refund"]
    assert response.status_code == 200
    assert [(one["role"], one["reason"]) for one in response.json["roles"]] == [
        ("manager", "ticket 7")
    ]
    assert renewed["user"]["roles"] == ["clerk", "manager", "user"]
    assert read_scope(renewed) == ["orders:read", "orders:refund"]
    [assigned] = audited(app, "role.assigned")
    assert assigned.details == {"role": "manager", "expires_at": None, "reason": "ticket 7"}
    assert (assigned.actor_kind, assigned.target_id) == ("user", "manager")


@pytest.mark.stores
@pytest.mark.requirement("JW-12")
def test_changes_of_a_role_outdate_the_tokens_of_those_who_have_it(app, client, make_user, admin):
    define(admin, "clerk", "orders:read", "orders:write")
    define(admin, "manager", "reports:read", parents=["clerk"])
    user, other = make_user(), make_user()
    assign(admin, id_of(app, user), "manager")
    others = client.log_in(other)

    for number, change in enumerate(
        (
            lambda: admin.patch(f"{ROLES}/clerk", {"permissions": ["orders:read"]}),
            lambda: admin.patch(f"{ROLES}/manager", {"parents": []}),
            lambda: admin.patch(f"{ROLES}/manager", {"parents": ["clerk"]}),
            lambda: admin.delete(f"{ROLES}/clerk"),
            lambda: admin.delete(f"{PERMISSIONS}/reports:read"),
        )
    ):
        with case(change=number):
            tokens = client.log_in(user)
            assert client.as_(tokens).get("/auth/me").status_code == 200
            assert change().status_code in (200, 204)
            assert_rejected(client.as_(tokens).get("/auth/me"), "token_expired")
            assert client.as_(client.refresh(tokens).json).get("/auth/me").status_code == 200
    assert client.as_(others).get("/auth/me").status_code == 200
    assert client.log_in(user)["user"]["roles"] == ["manager", "user"]


@pytest.mark.requirement("JW-12")
def test_change_on_another_replica_arrives_with_the_feed(app, client, make_user, admin):
    user = make_user()
    tokens = client.log_in(user)
    assign(admin, id_of(app, user), "support")
    app.extensions["gatehouse.tokens"].changes["user"].clear()

    with app.app_context():
        sync.refresh()

    assert_rejected(client.as_(tokens).get("/auth/me"), "token_expired")
    assert len(rows(app, AuthorizationChange, subject=id_of(app, user))) == 1


@pytest.mark.requirement("AZ-04")
def test_administrator_grants_and_takes_only_what_they_have(app, make_user, sign_in_as, admin):
    define(admin, "clerk", "orders:read")
    define(admin, "helpdesk-lead", "roles:write", parents=["support"])
    lead = sign_in_as("helpdesk-lead", email="lead@example.com")
    user, root = make_user(), make_user(roles=["admin"])
    own = id_of(app, User("lead@example.com"))
    denied = (
        lambda: assign(lead, own, "helpdesk-lead", "admin"),
        lambda: assign(lead, own, "helpdesk-lead", "clerk"),
        lambda: assign(lead, id_of(app, user), "admin"),
        lambda: assign(lead, id_of(app, user), "clerk"),
        lambda: assign(lead, id_of(app, root)),
        lambda: assign(lead, id_of(app, root), "admin", "support"),
        lambda: lead.patch(f"{ROLES}/helpdesk-lead", {"permissions": ["users:delete"]}),
        lambda: lead.patch(f"{ROLES}/helpdesk-lead", {"parents": ["admin"]}),
        lambda: lead.patch(f"{ROLES}/clerk", {"permissions": []}),
        lambda: lead.delete(f"{ROLES}/clerk"),
        lambda: lead.delete(f"{PERMISSIONS}/orders:read"),
        lambda: lead.post(ROLES, {"name": "x", "description": "x", "parents": ["clerk"]}),
        lambda: lead.post(ROLES, {"name": "x", "description": "x", "permissions": ["audit:read"]}),
    )
    before = admin.get(ROLES).json

    for number, attempt in enumerate(denied):
        with case(attempt=number):
            response = attempt()
            assert (response.status_code, response.json["code"]) == (403, "forbidden")

    assert assign(lead, id_of(app, user), "support").status_code == 200
    assert admin.get(ROLES).json == before


@pytest.mark.requirement("AZ-04")
def test_role_that_was_lost_gives_no_write_to_an_older_token(app, client, sign_in_as, admin):
    other = sign_in_as("admin", email="other@example.com")
    assert assign(admin, id_of(app, User("other@example.com"))).status_code == 200
    state = app.extensions["gatehouse.tokens"]
    state.synced_in_background = True  # no request reads the feed, however slow this machine is
    for changes in state.changes.values():
        changes.clear()  # as on a replica that has not read the feed yet

    response = other.post(PERMISSIONS, {"name": "a:b", "description": "x"})

    assert (response.status_code, response.json["code"]) == (403, "forbidden")


@pytest.mark.requirement("AZ-04")
def test_last_administrator_stays(app, client, make_user, sign_in_as, time_machine):
    email = "root@example.com"
    admin = sign_in_as("admin", email=email)
    root = id_of(app, User(email))
    for_a_time = {"role": "admin", "expires_at": "2099-01-01T00:00:00Z"}
    assert assign(admin, id_of(app, make_user()), for_a_time).status_code == 200
    run = app.test_cli_runner().invoke

    for attempt in (
        lambda: assign(admin, root),
        lambda: assign(admin, root, for_a_time),
    ):
        response = attempt()
        assert (response.status_code, response.json["code"]) == (409, "last_administrator")
    for command in (
        ["disable", "root@example.com", "--reason", "x"],
        ["delete", "root@example.com"],
    ):
        with case(command=command):
            result = run(args=["users", *command, *(["--yes"] if "delete" in command else [])])
            assert result.exit_code != 0
            assert "last active administrator" in result.output
    assert [row.role for row in rows(app, RoleAssignment, user_id=UUID(root))] == ["admin"]

    second = make_user(roles=["admin"])
    assert assign(admin, root).status_code == 200
    assert second.email


@pytest.mark.parametrize("column", ["disabled_at", "email_verified_at"])
def test_last_administrator_is_not_replaced_by_one_who_cannot_sign_in(
    app, make_user, sign_in_as, column
):
    admin = sign_in_as("admin", email="root@example.com")
    other = id_of(app, make_user(roles=["admin"]))
    with app.app_context():
        value = datetime.now(UTC) if column == "disabled_at" else None
        setattr(db.session.get_one(Account, UUID(other)), column, value)
        db.session.commit()

    response = assign(admin, id_of(app, User("root@example.com")))

    assert (response.status_code, response.json["code"]) == (409, "last_administrator")


def test_role_assigned_or_taken_outdates_the_tokens_from_before(app, client, make_user, admin):
    user = make_user()
    for roles in ([{"role": "support"}], []):
        tokens = client.log_in(user)

        assert assign(admin, id_of(app, user), *roles).status_code == 200

        assert_rejected(client.as_(tokens).get("/auth/me"), "token_expired")


def test_role_expires_with_the_token(app, client, make_user, admin, wait):
    user = make_user()
    until = (datetime.now(UTC) + timedelta(minutes=3)).isoformat()
    assignment = {"role": "support", "expires_at": until}
    assert assign(admin, id_of(app, user), assignment).status_code == 200
    tokens = client.log_in(user)

    wait(minutes=3)

    assert 0 < tokens["expires_in"] <= 180
    assert_rejected(client.as_(tokens).get("/auth/me"), "token_expired")
    assert client.refresh(tokens).json["user"]["roles"] == ["user"]


@pytest.mark.stores
def test_role_contains_no_cycle(admin):
    define(admin, "a")
    define(admin, "b", parents=["a"])
    define(admin, "c", parents=["b"])

    for parents in (["c"], ["a"], ["b"]):
        response = admin.patch(f"{ROLES}/a", {"parents": parents})
        assert response.status_code == 422
        assert response.json["errors"]["parents"][0]["code"] == "cycle"


def test_role_with_too_many_permissions_cannot_be_assigned(
    app, make_user, browser_client, client, admin
):
    names = [f"orders:action-{number}" for number in range(300)]
    with app.app_context():
        _insert_permissions(names)
    assert (
        admin.post(
            ROLES, {"name": "all-orders", "description": "x", "permissions": names}
        ).status_code
        == 201
    )
    define(admin, "few-orders")
    admin.patch(f"{ROLES}/few-orders", {"permissions": names[:60]})
    user = make_user()
    id_ = id_of(app, user)

    response = assign(admin, id_, "all-orders")
    fits = assign(admin, id_, "few-orders")
    grown = admin.patch(f"{ROLES}/few-orders", {"permissions": names})
    inherited = admin.patch(f"{ROLES}/few-orders", {"parents": ["all-orders"]})

    for one in (response, grown, inherited):
        assert (one.status_code, one.json["code"]) == (422, "too_many_permissions")
    assert fits.status_code == 200
    tokens = browser_client.log_in(user)
    assert len(tokens.cookies["__Host-access"]) <= 3500
    assert browser_client.as_(tokens).get("/auth/me").status_code == 200


def _insert_permissions(names):
    db.session.add_all(Permission(name=name, description="x") for name in names)
    definitions._increase_versions([])
    db.session.commit()


def test_permission_of_another_audience_is_in_no_token_of_ours(app, client, make_user, admin):
    body = {"name": "bills:pay", "description": "x", "audience": "https://bills.example"}
    assert admin.post(PERMISSIONS, body).json["audience"] == "https://bills.example"
    define(admin, "payer", "orders:read")
    admin.patch(f"{ROLES}/payer", {"permissions": ["orders:read", "bills:pay"]})
    user = make_user()
    assign(admin, id_of(app, user), "payer")

    assert read_scope(client.log_in(user)) == ["orders:read"]
    assert "bills:pay" in admin.get(f"{ROLES}/payer").json["all_permissions"]


def test_built_in_roles_and_permissions_stay(app, admin):
    for path in (
        f"{ROLES}/support",
        f"{ROLES}/admin",
        f"{ROLES}/user",
        f"{PERMISSIONS}/users:read",
    ):
        with case(path=path):
            for response in (admin.patch(path, {"description": "x"}), admin.delete(path)):
                assert (response.status_code, response.json["code"]) == (409, "built_in")


@pytest.mark.requirement("AZ-02")
def test_unknown_users_roles_and_permissions_are_not_found(app, admin):
    unknown = "/admin/users/01a22c91-6b41-731d-bf70-a51137c2cd12/roles"
    for response in (
        admin.get(unknown),
        admin.put(unknown, {"roles": []}),
        admin.get(f"{ROLES}/x"),
        admin.patch(f"{ROLES}/x", {"description": "x"}),
        admin.delete(f"{ROLES}/x"),
        admin.get(f"{PERMISSIONS}/x:y"),
        admin.patch(f"{PERMISSIONS}/x:y", {"description": "x"}),
        admin.delete(f"{PERMISSIONS}/x:y"),
    ):
        assert response.status_code == 404


def test_input_of_roles_is_strict(app, admin, make_user):
    user = id_of(app, make_user())
    rejected = (
        admin.post(ROLES, {"name": "Big", "description": "x"}),
        admin.post(ROLES, {"name": "x", "description": "x", "version": 9}),
        admin.post(ROLES, {"name": "x", "description": "x", "permissions": ["no:such"]}),
        admin.post(ROLES, {"name": "x", "description": "x", "parents": ["none"]}),
        admin.post(PERMISSIONS, {"name": "role:x", "description": "x"}),
        admin.post(PERMISSIONS, {"name": "aal2", "description": "x"}),
        admin.post(PERMISSIONS, {"name": "a b:c", "description": "x"}),
        assign(admin, user, "none"),
        assign(admin, user, "support", "support"),
        assign(admin, user, {"role": "support", "expires_at": "2001-01-01T00:00:00Z"}),
        assign(admin, user, {"role": "support", "expires_at": "2099-01-01T00:00:00"}),
        assign(admin, user, {"role": "support", "organization_id": None}),
    )

    assert [response.status_code for response in rejected] == [422] * len(rejected)
    assert admin.post(ROLES, {"name": "support", "description": "x"}).status_code == 409
    assert admin.post(PERMISSIONS, {"name": "users:read", "description": "x"}).status_code == 409


def test_roles_are_listed_in_pages(admin):
    first = admin.get(f"{ROLES}?limit=3").json
    second = admin.get(ROLES, query_string={"cursor": first["next_cursor"]}).json

    names = [role["name"] for role in first["items"] + second["items"]]
    assert names == ["admin", "auditor", "support", "user"]
    assert second["next_cursor"] is None
    assert admin.get(PERMISSIONS, query_string={"cursor": first["next_cursor"]}).status_code == 400
