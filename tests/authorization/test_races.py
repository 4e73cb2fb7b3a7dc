"""Races of administrators on PostgreSQL: one always remains, and roles never contain themselves."""

from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.authorization import assignments, catalog, definitions
from gatehouse.authorization.assignments import Assignment
from gatehouse.authorization.definitions import RoleChange
from gatehouse.core.errors import ApiError
from gatehouse.database.session import db
from gatehouse.web.request_context import NO_REQUEST
from models import Role, RoleParent, User
from tests.parallel import run_in_parallel
from tests.rows import rows

pytestmark = pytest.mark.stores


def list_administrators(app):
    with app.app_context():
        return [
            user_id
            for user_id in db.session.scalars(sa.select(User.id)).all()
            if any(row.role == "admin" for row in assignments.list_assignments(user_id))
        ]


def in_own_transaction(app, act):
    """Return a function that acts in a transaction of its own; it returns the error's code."""

    def run():
        with app.app_context():
            try:
                act()
                db.session.commit()
            except ApiError as error:
                db.session.rollback()
                return error.code
            return "done"

    return run


@pytest.mark.requirement("AZ-04")
def test_administrators_who_demote_each_other_leave_one(app, sign_in_as):
    first, second = (sign_in_as("admin", email=f"{name}@example.com") for name in "ab")
    ids = {user.email: user.id for user in rows(app, User)}
    pairs = ((first, ids["b@example.com"]), (second, ids["a@example.com"]))

    responses = run_in_parallel(
        *[
            partial(client.put, f"/admin/users/{user_id}/roles", {"roles": []})
            for client, user_id in pairs * 10
        ]
    )

    statuses = sorted(response.status_code for response in responses)
    assert len(list_administrators(app)) == 1
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {200, 401, 403, 409}


@pytest.mark.requirement("AZ-04")
def test_operators_who_demote_administrators_100_times_leave_one(app, make_user):
    users = [make_user(roles=["admin"]) for _ in range(2)]
    ids = [user.id for user in rows(app, User)]
    assert len(users) == 2

    for _ in range(100):
        outcomes = run_in_parallel(
            *[
                in_own_transaction(
                    app, lambda user_id=user_id: assignments.unassign(user_id, "admin", NO_REQUEST)
                )
                for user_id in ids
            ]
        )
        [left] = list_administrators(app)
        assert sorted(outcomes) == ["done", "last_administrator"]
        other = next(user_id for user_id in ids if user_id != left)
        in_own_transaction(
            app, lambda user_id=other: assignments.assign(user_id, Assignment("admin"), NO_REQUEST)
        )()


def test_roles_that_become_parents_of_each_other_form_no_cycle(app):
    names = ("a", "b")
    for name in names:
        in_own_transaction(
            app, lambda name=name: definitions.create_role(name, RoleChange("x"), NO_REQUEST)
        )()

    for _ in range(10):
        outcomes = run_in_parallel(
            *[
                in_own_transaction(
                    app,
                    lambda name=name, parent=parent: definitions.change_role(
                        name, RoleChange(parents=frozenset({parent})), NO_REQUEST
                    ),
                )
                for name, parent in (names, names[::-1])
            ]
        )
        assert sorted(outcomes) == ["done", "validation_failed"]
        [link] = rows(app, RoleParent)
        in_own_transaction(
            app,
            lambda name=link.role: definitions.change_role(
                name, RoleChange(parents=frozenset()), NO_REQUEST
            ),
        )()
    with app.app_context():
        assert catalog.read_catalog().version == rows(app, Role, name=link.role)[0].version
