"""The matrix of roles and operations: each request is sent as anonymous and by each role."""

import re

import pytest

from gatehouse.authorization.permissions import BUILT_IN_ROLES
from gatehouse.cli.reference import role_matrix
from gatehouse.cli.reference.role_matrix import IMPERSONATOR
from models import RoleAssignment, User
from tests.admin.conftest import ADA, REASON
from tests.rows import rows
from tests.surface.conftest import FORMS, read_tables
from tests.tokens.forgery import case

SOME_ID = "01a22c91-6b41-731d-bf70-a51137c2cd12"
PLAIN, PEER, BOSS = "plain@example.com", "peer@example.com", "boss@example.com"
MANAGER = ["users:read", "users:write", "users:delete", "users:impersonate", "audit:read"]
MANAGER += ["roles:read", "roles:write"]
WRITES_OF_IMPERSONATORS = {"PATCH /auth/me", "POST /auth/logout"}


@pytest.fixture
def operations(app):
    """Every operation of the OpenAPI document."""
    with app.app_context():
        return list(role_matrix.list_operations())


def send(client, operation, user_id=SOME_ID, form=None):
    """Send the request of an operation; the ids in its path are those of a user, or of nothing."""
    method, path = operation.name.split(" ")
    path = re.sub(r"{[^}]*}", SOME_ID, path.replace("{user_id}", str(user_id)))
    return client.send(method, path, json=form or {}, headers={"If-Match": "*"})


def is_denied(response, role):
    """Return whether the role, and nothing else, is why a request was rejected."""
    code = response.json.get("code") if response.is_json else None
    return code == ("impersonation_not_allowed" if role == IMPERSONATOR else "forbidden")


@pytest.mark.requirement("AZ-01")
def test_matrix_of_roles_is_what_the_operations_answer(client, operations, sign_in_as, path_of):
    guarded = [one for one in operations if one.permission]
    clients = {role: sign_in_as(role, email=f"{role}@example.com") for role in BUILT_IN_ROLES}
    acted = clients["admin"].post(path_of("support@example.com", "impersonate"), REASON)
    clients[IMPERSONATOR] = client.as_(acted.json)

    for operation in guarded:
        with case(operation=operation.name):
            assert send(client, operation).status_code == 401
            for role, signed_in in clients.items():
                denied = is_denied(send(signed_in, operation), role)
                assert (role, denied) == (role, not role_matrix.is_allowed(role, operation))
    assert len(guarded) > 10


@pytest.mark.requirement("AZ-01")
@pytest.mark.requirement("AZ-08")
def test_matrix_of_own_operations_is_what_they_answer(client, operations, admin, ada, path_of):
    """Operations of every user: with no token, as the user, and as an administrator as the user."""
    own = [one for one in operations if one.needs_token and not one.permission]
    own.sort(key=lambda one: "logout" in one.name)
    writes = {one.name for one in operations if one.name.split()[0] != "GET" and is_read(one)}

    impersonator = client.as_(admin.post(path_of(ADA, "impersonate"), REASON).json)

    for operation in own:
        with case(operation=operation.name):
            if "/gateway/" not in operation.name:
                form = FORMS.get(tuple(operation.name.split(" ")))
                assert send(client, operation, form=form).status_code == 401
            denied = is_denied(send(impersonator, operation), IMPERSONATOR)
            assert denied != role_matrix.is_allowed(IMPERSONATOR, operation)
    assert writes == WRITES_OF_IMPERSONATORS
    assert len(own) > 20


def is_read(operation):
    """Return whether an operation that a token can authenticate is open to impersonators."""
    has_token = operation.needs_token or operation.name == "POST /auth/logout"
    return has_token and operation.allows_impersonators


@pytest.mark.requirement("AZ-01")
@pytest.mark.requirement("AZ-04")
def test_matrix_of_users_ends_at_superiors(app, admin, operations, make_user, sign_in_as):
    """A manager acts on ordinary users and on equals, but changes nothing of an administrator."""
    form = {"name": "manager", "description": "Manages.", "permissions": MANAGER}
    assert admin.post("/admin/roles", form).status_code == 201
    make_user(email=PLAIN)
    make_user(email=PEER, roles=["manager"])
    make_user(email=BOSS, roles=["admin"], factors=["totp"])
    manager = sign_in_as("manager", email="manager@example.com")
    ids = {email: rows_id(app, email) for email in (PLAIN, PEER, BOSS)}
    of_users = [one for one in operations if one.permission and "{user_id}" in one.name]
    writes = [one for one in of_users if not one.name.startswith("GET ")]
    before = read_tables(app)

    for operation in writes:
        with case(operation=operation.name):
            form = FORMS.get(tuple(operation.name.split(" ")))
            assert send(manager, operation, ids[BOSS], form).status_code == 403
    after = read_tables(app)
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"audit_events"}
    for operation in of_users:
        with case(operation=operation.name):
            for email in (PLAIN, PEER):
                form = FORMS.get(tuple(operation.name.split(" ")), {}) | {}
                assert not is_denied(send(manager, operation, ids[email], form), "manager")
    assert len(writes) > 10


DENIED_ON_ONESELF = {
    "PUT /admin/users/{user_id}/roles": (403, "forbidden"),
    "POST /admin/users/{user_id}/impersonate": (403, "impersonation_not_allowed"),
}


@pytest.mark.requirement("AZ-01")
@pytest.mark.requirement("AZ-04")
def test_matrix_of_oneself_gives_no_right(app, admin, operations, sign_in_as):
    """A manager does each operation on their own account: none of them gives a permission."""
    form = {"name": "manager", "description": "Manages.", "permissions": MANAGER}
    assert admin.post("/admin/roles", form).status_code == 201
    of_users = [one for one in operations if one.permission and "{user_id}" in one.name]

    denied = {}
    for number, operation in enumerate(of_users):
        email = f"manager{number}@example.com"
        manager = sign_in_as("manager", email=email)
        form = FORMS.get(tuple(operation.name.split(" ")), {})
        response = send(manager, operation, rows_id(app, email), form)
        if response.status_code in (401, 403):
            denied[operation.name] = response.status_code, response.json["code"]

    assert denied == DENIED_ON_ONESELF
    roles = [row.role for row in rows(app, RoleAssignment)]
    assert sorted(roles) == ["admin", *["manager"] * len(of_users)]


def rows_id(app, email):
    """Return the id of a user."""
    [user] = rows(app, User, email=email)
    return user.id


@pytest.mark.requirement("AZ-01")
def test_administration_has_no_operation_without_a_permission(operations):
    unguarded = [one.name for one in operations if not one.permission]

    assert [name for name in unguarded if "/admin" in name] == []
