"""Every version of 0003 that was ever committed: its databases reach today's schema.

0003 was edited after it had landed, and migration 0004 adds what the databases made in between
lack. Instead of the old files, this test keeps what each of them did not create.
"""

import json

import flask_migrate
import pytest
from sqlalchemy import TextClause, inspect, text

from gatehouse.database.session import db

OUTBOX_QUEUE = (
    "DROP INDEX ix_outbox_due",
    "DROP INDEX ix_outbox_ahead",
    "ALTER TABLE outbox DROP COLUMN good_until",
    "CREATE INDEX ix_outbox_due_at_sent_at ON outbox (due_at, sent_at)",
)
CHALLENGE_USER = (
    "DROP INDEX ix_challenges_user_id",
    "ALTER TABLE challenges DROP COLUMN user_id",
)
RISK = ("DROP TABLE guard_tallies", "DROP INDEX ix_audit_events_logins")
MOVED_SESSIONS_IN_INDEX = (
    "DROP INDEX ix_audit_events_logins",
    "CREATE INDEX ix_audit_events_logins ON audit_events (user_id, at)"
    " WHERE name IN ('login.succeeded', 'session.moved')",
)
PASSWORD_CHOICE = ("ALTER TABLE passwords DROP COLUMN chosen_by",)
MFA_DEADLINE = (
    "ALTER TABLE roles DROP COLUMN mfa_wanted_at",
    "ALTER TABLE users DROP COLUMN mfa_renewed_at",
)
NOT_YET_IN = {
    "a6d9a55": (OUTBOX_QUEUE, CHALLENGE_USER, RISK, PASSWORD_CHOICE, MFA_DEADLINE),
    "23e5509": (CHALLENGE_USER, RISK, PASSWORD_CHOICE, MFA_DEADLINE),
    "fe359ca": (OUTBOX_QUEUE, RISK, PASSWORD_CHOICE, MFA_DEADLINE),
    "85f5bbd": (RISK, PASSWORD_CHOICE, MFA_DEADLINE),
    "47b6e92": (OUTBOX_QUEUE, CHALLENGE_USER, PASSWORD_CHOICE, MFA_DEADLINE),
    "2040a25": (CHALLENGE_USER, PASSWORD_CHOICE, MFA_DEADLINE),
    "a739067": (PASSWORD_CHOICE, MFA_DEADLINE),
    "035dba1": (MOVED_SESSIONS_IN_INDEX, PASSWORD_CHOICE, MFA_DEADLINE),
    "5e30bca": (MFA_DEADLINE,),
    "e1366e4": (MOVED_SESSIONS_IN_INDEX, PASSWORD_CHOICE),
    "df20e52": (MOVED_SESSIONS_IN_INDEX,),
    "e10ddff": (),
}
"""The first commit with each version of 0003, and the statements that undo what came later."""


def readable(item):
    """Return a description in one line, with the conditions of partial indexes as SQL."""
    return json.dumps(item, default=lambda it: str(it) if isinstance(it, TextClause) else repr(it))


def schema():
    """Return columns, indexes with their conditions, and constraints of every table, in order."""
    database = inspect(db.engine)
    found = {
        "columns": database.get_multi_columns(),
        "indexes": database.get_multi_indexes(),
        "unique": database.get_multi_unique_constraints(),
        "primary keys": database.get_multi_pk_constraint(),
        "foreign keys": database.get_multi_foreign_keys(),
    }
    return {  # by name: a column that was added later stands in another place
        (kind, table): sorted(map(readable, items if isinstance(items, list) else [items]))
        for kind, tables in found.items()
        for (_, table), items in tables.items()
    }


@pytest.mark.stores
def test_migrations_bring_every_version_of_0003_to_the_schema_of_a_new_database(
    app, client, make_user
):
    user = make_user()
    with app.app_context():
        new = schema()
        flask_migrate.downgrade(revision="0003")
        last = schema()
        flask_migrate.upgrade()
        for version, changes in NOT_YET_IN.items():
            flask_migrate.downgrade(revision="0003")
            with db.engine.begin() as connection:
                for statement in (each for change in changes for each in change):
                    connection.execute(text(statement))
            assert bool(changes) == (schema() != last), version

            flask_migrate.upgrade()

            assert schema() == new, version
    assert client.log_in(user)["user"]["email"] == user.email
