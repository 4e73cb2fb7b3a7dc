"""Permissions: a token's scope is what the user's roles grant, sorted."""

from gatehouse.authorization import catalog, permissions, roles
from gatehouse.database.session import db, write_transaction
from models import User
from tests.rows import rows
from tests.sessions.token_responses import token_claims

OWN = "audit:read clients:manage clients:read hooks:read hooks:write profile:read profile:write"
OWN += " roles:read roles:write"
OWN += " service-accounts:read service-accounts:write"
OWN += " users:contacts users:delete users:impersonate users:read users:write"


def read_scope(tokens):
    return token_claims(tokens, "access_token")["scope"]


def test_permissions_are_those_of_all_roles_together(app):
    with app.app_context():
        known = catalog.read_catalog()

    assert sorted(known.permissions_of(["support", "auditor", "user", "unknown"])) == [
        "audit:read",
        "clients:read",
        "hooks:read",
        "profile:read",
        "roles:read",
        "service-accounts:read",
        "users:contacts",
        "users:read",
        "users:write",
    ]
    assert known.permissions_of(["user"]) == frozenset()
    assert known.permissions_of(["admin"]) == set(permissions.DECLARED)


def test_scope_of_a_user_without_permissions_is_empty(app, client, make_user):
    assert read_scope(client.log_in(make_user())) == ""


def test_scope_is_the_sorted_permissions_of_the_roles_at_the_next_refresh(app, client, make_user):
    tokens = client.log_in(make_user())
    [user] = rows(app, User)
    with app.app_context(), write_transaction():
        roles.assign_role(user.id, "admin")
        db.session.commit()

    renewed = client.refresh(tokens).json
    headers = {"Authorization": f"Bearer {renewed['access_token']}"}
    verified = client.get("/gateway/verify", headers=headers)

    assert read_scope(tokens) == ""
    assert read_scope(renewed) == OWN
    assert verified.headers["X-Auth-Scope"] == OWN
