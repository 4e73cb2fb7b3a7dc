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


def make_other(admin):
    assert admin.post("/admin/users", {"email": "other@example.com"}).status_code == 201
    return "other"


@pytest.mark.requirement("AZ-04")
def test_delegation_ends_at_roles_of_ones_own(client, sign_in_as, app):
    """A role that grants nothing is still one that a gateway requires by its name."""
    admin = sign_in_as("admin", email="root@example.com")
    for name, parents in (("vip", []), ("lead", ["support"])):
        form = {"name": name, "description": "x", "parents": parents}
        granted = ["roles:write"] if parents else []
        assert admin.post("/admin/roles", form | {"permissions": granted}).status_code == 201
    lead = sign_in_as("lead", email="lead@example.com")
    path, other, boss = (
        f"/admin/users/{rows(app, User, email=f'{name}@example.com')[0].id}/roles"
        for name in ("lead", make_other(admin), "root")
    )

    for roles in ([{"role": "lead"}, {"role": "vip"}], [{"role": "lead", "reason": "x"}]):
        assert lead.put(path, {"roles": roles}).status_code == 403
    assert lead.patch("/admin/roles/lead", {"parents": ["support", "vip"]}).status_code == 403
    assert admin.get("/admin/roles/lead").json["parents"] == ["support"]
    assert lead.put(other, {"roles": [{"role": "vip"}]}).status_code == 200
    assert admin.put(boss, {"roles": [{"role": "admin"}, {"role": "vip"}]}).status_code == 200
    assert lead.patch("/admin/roles/lead", {"parents": []}).status_code == 200
    assert lead.put(path, {"roles": []}).status_code == 401
