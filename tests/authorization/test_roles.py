"""Roles: every user has `user`, and an assigned role is in the next access token."""

import pytest
import sqlalchemy as sa

from gatehouse.authorization import roles
from gatehouse.core import crypto
from gatehouse.database.session import db, write_transaction
from models import Role, RoleAssignment, User
from tests.rows import rows
from tests.sessions.token_responses import token_claims
from tests.tokens.forgery import assert_rejected

pytestmark = pytest.mark.stores


@pytest.fixture
def tokens(client, make_user):
    return client.log_in(make_user())


def assign_role(app, role):
    """Assign a role to the only user."""
    [user] = rows(app, User)
    with app.app_context(), write_transaction():
        roles.assign_role(user.id, role)
        db.session.commit()


def list_assigned(app):
    """Return the assigned roles."""
    with app.app_context():
        return [row.role for row in db.session.scalars(sa.select(RoleAssignment))]


def read_roles(app, tokens):
    """Return the roles in an access token, and those in its token response."""
    with app.app_context():
        in_token = token_claims(tokens, "access_token")["roles"]
    return in_token, tokens["user"]["roles"]


def test_roles_are_built_in(app):
    with app.app_context():
        assert roles.list_role_names() == ["admin", "auditor", "support", "user"]
        assert [roles.role_exists(role) for role in ("admin", "user", "unknown")] == [
            True,
            True,
            False,
        ]


def test_role_user_belongs_to_every_user_without_a_row(app, tokens):
    assert read_roles(app, tokens) == (["user"], ["user"])
    assert list_assigned(app) == []


def test_role_user_is_never_written(app, tokens):
    assign_role(app, "user")

    assert list_assigned(app) == []


@pytest.mark.requirement("JW-12")
def test_role_outdates_the_token_and_is_in_the_next_one(app, client, tokens):
    assign_role(app, "admin")

    outdated = client.as_(tokens).get("/auth/me")
    renewed = client.refresh(tokens).json

    both = ["admin", "user"]
    assert_rejected(outdated, "token_expired")
    assert client.as_(renewed).get("/auth/me").json["roles"] == both
    assert read_roles(app, renewed) == (both, both)


def test_role_assigned_twice_is_written_once(app, tokens):
    assign_role(app, "admin")
    assign_role(app, "admin")

    assert list_assigned(app) == ["admin"]


def test_role_that_does_not_exist_cannot_be_assigned(app, tokens):
    with pytest.raises(sa.exc.IntegrityError):
        assign_role(app, "unknown")

    assert list_assigned(app) == []


def test_role_that_was_deleted_is_no_longer_assigned(app, client, tokens):
    assign_role(app, "admin")
    with app.app_context():
        db.session.execute(sa.delete(Role).where(Role.name == "admin"))
        db.session.commit()

    assert client.as_(client.refresh(tokens).json).get("/auth/me").json["roles"] == ["user"]


def test_role_of_one_user_is_not_assigned_to_others(app, client, tokens, make_user):
    assign_role(app, "admin")

    assert client.log_in(make_user())["user"]["roles"] == ["user"]


def add_assignment(app, **columns):
    """Insert an assignment of `admin` to the only user, with other columns as given."""
    [user] = rows(app, User)
    subject = {"subject_kind": "user", "subject_id": user.id, "user_id": user.id}
    with app.app_context():
        db.session.add(RoleAssignment(**subject | {"role": "admin"} | columns))
        db.session.commit()


def test_role_assignment_is_unique_in_an_organization_and_in_none(app, tokens):
    first, second = crypto.new_id(), crypto.new_id()
    for organization in (None, first, second):
        add_assignment(app, organization_id=organization)

    for organization in (None, first):
        with pytest.raises(sa.exc.IntegrityError):
            add_assignment(app, organization_id=organization)

    assert list_assigned(app) == ["admin"] * 3


def test_role_in_an_organization_is_not_a_role_everywhere(app, client, tokens):
    add_assignment(app, organization_id=crypto.new_id())

    assert client.as_(tokens).get("/auth/me").json["roles"] == ["user"]


def test_role_assignment_is_deleted_with_its_user(app, tokens):
    assign_role(app, "admin")

    with app.app_context():
        db.session.execute(sa.delete(User))
        db.session.commit()

    assert list_assigned(app) == []


def test_role_assignment_of_a_user_names_the_user_in_its_foreign_key(app, tokens):
    for user_id in (None, crypto.new_id()):
        with pytest.raises(sa.exc.IntegrityError):
            add_assignment(app, user_id=user_id)

    assert list_assigned(app) == []
