"""Who has which role: everyone is a user, and a role counts from the next refresh."""

import pytest
import sqlalchemy as sa
from flask_jwt_extended import decode_token

from gatehouse.authorization import roles
from gatehouse.database.session import db, writing
from models import Role, User, UserRole
from tests.rows import rows

pytestmark = pytest.mark.stores


@pytest.fixture
def tokens(client, make_user):
    return client.log_in(make_user())


def grant(app, role):
    """Give the only person a role."""
    [user] = rows(app, User)
    with app.app_context(), writing():
        roles.grant(user.id, role)
        db.session.commit()


def given(app):
    """Return the rows of roles that were given."""
    with app.app_context():
        return [row.role for row in db.session.scalars(sa.select(UserRole))]


def roles_in(app, tokens):
    """Return the roles that an access token carries, and those that its answer shows."""
    with app.app_context():
        claimed = decode_token(tokens["access_token"])["roles"]
    return claimed, tokens["user"]["roles"]


def test_user_and_admin_are_built_in(app):
    with app.app_context():
        assert roles.names() == ["admin", "user"]
        assert [roles.exists(role) for role in ("admin", "user", "emperor")] == [True, True, False]


def test_everyone_is_a_user_without_a_row(app, tokens):
    assert roles_in(app, tokens) == (["user"], ["user"])
    assert given(app) == []


def test_granting_what_everyone_has_writes_nothing(app, tokens):
    grant(app, "user")

    assert given(app) == []


def test_a_role_stands_in_the_profile_at_once_and_in_the_next_token(app, client, tokens):
    grant(app, "admin")

    renewed = client.refresh(tokens).json

    both = ["admin", "user"]
    assert client.as_(tokens).get("/auth/me").json["roles"] == both
    assert roles_in(app, renewed) == (both, both)


def test_granting_a_role_again_changes_nothing(app, tokens):
    grant(app, "admin")
    grant(app, "admin")

    assert given(app) == ["admin"]


def test_a_role_that_does_not_exist_cannot_be_granted(app, tokens):
    with pytest.raises(sa.exc.IntegrityError):
        grant(app, "emperor")

    assert given(app) == []


def test_a_deleted_role_is_nobodys_any_more(app, client, tokens):
    grant(app, "admin")
    with app.app_context():
        db.session.execute(sa.delete(Role).where(Role.name == "admin"))
        db.session.commit()

    assert client.as_(tokens).get("/auth/me").json["roles"] == ["user"]


def test_the_roles_of_one_person_are_nobody_elses(app, client, tokens, make_user):
    grant(app, "admin")

    assert client.log_in(make_user())["user"]["roles"] == ["user"]
