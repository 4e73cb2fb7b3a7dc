"""Delegated administration never reaches a user who has more permissions."""

import pytest

from gatehouse.authorization import delegation
from gatehouse.authorization.errors import Forbidden, TargetHasMorePermissions
from gatehouse.web.request_context import BACKGROUND, NO_REQUEST, USER, Actor
from models import User
from tests.rows import rows


@pytest.fixture
def actor(app, make_user):
    """Return the actor that is a new user with these roles: actor("admin")."""

    def make(*roles):
        email = make_user(roles=roles).email
        return Actor(USER, rows(app, User, email=email)[0].id)

    return make


@pytest.mark.requirement("AZ-04")
def test_delegation_ends_at_users_with_more_permissions(app, actor):
    admin, user, other = actor("admin"), actor(), actor()
    with app.app_context():
        for one, target in ((admin, user), (admin, admin), (user, other)):
            delegation.require_may_act_on(one, target.id)

        with pytest.raises(TargetHasMorePermissions):
            delegation.require_may_act_on(user, admin.id)
        delegation.require_may_act_on(NO_REQUEST.actor, admin.id)
        delegation.require_may_act_on(BACKGROUND.actor, admin.id)


def test_permission_is_that_of_the_current_roles(app, actor):
    admin, user = actor("admin"), actor()
    with app.app_context():
        delegation.require_permission(admin, "users:write")

        with pytest.raises(Forbidden):
            delegation.require_permission(user, "users:write")
