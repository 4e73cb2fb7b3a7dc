"""Permissions: a token's scope is what the user's roles grant, sorted."""

import pytest

from gatehouse.authorization import permissions, roles
from gatehouse.database.session import db, write_transaction
from models import User
from tests.rows import rows
from tests.sessions.token_responses import token_claims

GRANTED = {
    "user": frozenset(),
    "admin": frozenset({"users:write", "audit:read", "users:read"}),
    "auditor": frozenset({"audit:read"}),
}


@pytest.fixture
def granted(monkeypatch):
    """Replace the permissions of the built-in roles."""
    monkeypatch.setattr(permissions, "BUILT_IN", GRANTED)


def read_scope(tokens):
    return token_claims(tokens, "access_token")["scope"]


def test_permissions_are_those_of_all_roles_together(granted):
    both = permissions.permissions_of(["auditor", "user", "admin", "unknown"])

    assert both == {"audit:read", "users:read", "users:write"}
    assert permissions.permissions_of([]) == frozenset()


def test_scope_of_a_user_without_permissions_is_empty(app, client, make_user):
    assert read_scope(client.log_in(make_user())) == ""


def test_scope_is_the_sorted_permissions_of_the_roles_at_the_next_refresh(
    app, client, make_user, granted
):
    tokens = client.log_in(make_user())
    [user] = rows(app, User)
    with app.app_context(), write_transaction():
        roles.assign_role(user.id, "admin")
        db.session.commit()

    renewed = client.refresh(tokens).json
    headers = {"Authorization": f"Bearer {renewed['access_token']}"}
    verified = client.get("/gateway/verify", headers=headers)

    assert read_scope(tokens) == ""
    assert read_scope(renewed) == "audit:read users:read users:write"
    assert verified.headers["X-Auth-Scope"] == "audit:read users:read users:write"
