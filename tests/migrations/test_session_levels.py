"""Migration 0010: a level above AAL1 has its time; the changed tables keep their other parts."""

from uuid import UUID

import flask_migrate
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from gatehouse.core import clock, crypto
from gatehouse.database.session import db
from models import RoleAssignment, Session, TokenStatusEntry
from tests.rows import rows

PARTS = {
    "sessions": {"ix_sessions_user_id", "ix_sessions_expires_at"},
    "role_assignments": {
        "ix_role_assignments_user_id",
        "ix_role_assignments_role",
        "uq_role_assignments_in_no_organization",
    },
}


def execute(app, statement, **values):
    with app.app_context():
        db.session.execute(statement, values)
        db.session.commit()


@pytest.mark.stores
@pytest.mark.requirement("SE-04")
def test_migration_lowers_sessions_whose_level_has_no_time(app, client, make_user):
    user = make_user(factors=["totp"])
    for _ in range(4):
        client.renew(
            client.complete_mfa(
                user, client.log_in(user), code=user.recovery_codes.pop(), factor="recovery_codes"
            )
        )
    ids = [row.id for row in rows(app, Session)][1:]
    with app.app_context():
        flask_migrate.downgrade(revision="0009")
    now = clock.now()
    for session_id, amr, acr, time in zip(
        ids,
        (["pwd", "otp", "mfa"], ["hwk", "mfa"], ["pwd"], ["pwd", "otp", "mfa"]),
        ("aal2", "aal2", "aal1", "aal2"),
        (None, None, now, now),
        strict=True,
    ):
        changed = sa.update(Session).where(Session.id == session_id)
        execute(app, changed.values(amr=amr, acr=acr, aal2_authenticated_at=time))
    entries = len(rows(app, TokenStatusEntry))

    with app.app_context():
        flask_migrate.upgrade()

    found = [(row.acr, row.amr, row.aal2_authenticated_at) for row in rows(app, Session)][1:]
    assert found == [
        ("aal1", ["pwd"], None),
        ("aal1", ["hwk"], None),
        ("aal1", ["pwd"], None),
        ("aal2", ["pwd", "otp", "mfa"], now),
    ]
    assert len(rows(app, TokenStatusEntry)) == entries > 0
    with app.app_context():
        inspector = sa.inspect(db.engine)
        for table, names in PARTS.items():
            assert {index["name"] for index in inspector.get_indexes(table)} >= names
            assert all(key["options"] for key in inspector.get_foreign_keys(table))


@pytest.mark.stores
@pytest.mark.requirement("SE-04")
def test_database_refuses_a_level_without_its_time_and_the_reverse(app, client, make_user):
    client.log_in(make_user())

    for change in ({"acr": "aal2"}, {"aal2_authenticated_at": clock.now()}):
        with pytest.raises(IntegrityError):
            execute(app, sa.update(Session).values(**change))


@pytest.mark.stores
def test_database_refuses_a_user_id_with_another_kind_of_subject(app, client, make_user):
    user_id = client.log_in(make_user())["user"]["id"]
    row = {"id": crypto.new_id(), "subject_id": crypto.new_id(), "role": "admin"}

    for kind, owner in (("client", user_id), ("user", None), ("user", user_id)):
        values = row | {"subject_kind": kind, "user_id": UUID(owner) if owner else None}
        with pytest.raises(IntegrityError):
            execute(app, sa.insert(RoleAssignment).values(**values))
