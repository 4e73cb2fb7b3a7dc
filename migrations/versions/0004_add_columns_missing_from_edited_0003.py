"""Add the columns, tables and indexes that some versions of 0003 did not create.

0003 was edited several times after it had landed, so a database that was migrated in between is
at revision 0003 without everything that 0003 creates today. This migration inspects the database
and adds only what is missing; a database that lacks nothing stays as it is.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

COLUMNS = {
    ("challenges", "user_id"): sa.Uuid(),
    ("outbox", "good_until"): sa.DateTime(timezone=True),
    ("passwords", "chosen_by"): sa.String(length=8),
    ("roles", "mfa_wanted_at"): sa.DateTime(timezone=True),
    ("users", "mfa_renewed_at"): sa.DateTime(timezone=True),
}
"""Columns that some versions of 0003 did not add, and their types; all of them are nullable."""

LOGINS = "name = 'login.succeeded'"
WAITING = "sent_at IS NULL AND given_up_at IS NULL"


def upgrade() -> None:
    add_missing_columns()
    op.create_table(
        "guard_tallies",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_guard_tallies")),
        if_not_exists=True,
    )
    drop_outdated_indexes()
    create_missing_index("ix_challenges_user_id", "challenges", ["user_id"])
    create_missing_index("ix_guard_tallies_expires_at", "guard_tallies", ["expires_at"])
    create_missing_index("ix_audit_events_logins", "audit_events", ["user_id", "at"], LOGINS)
    create_missing_index("ix_outbox_due", "outbox", ["due_at"], WAITING)
    ahead = ["recipient_lower", "channel", "created_at"]
    create_missing_index("ix_outbox_ahead", "outbox", ahead, WAITING)


def add_missing_columns() -> None:
    """Add the columns of COLUMNS that their tables do not have."""
    database = sa.inspect(op.get_bind())
    for (table, column), column_type in COLUMNS.items():
        if column not in {found["name"] for found in database.get_columns(table)}:
            op.add_column(table, sa.Column(column, column_type, nullable=True))


def drop_outdated_indexes() -> None:
    """Drop the index that `ix_outbox_due` replaces, and the wider version of the one of logins.

    Three versions of 0003 created `ix_audit_events_logins` for `session.moved` events as well.
    SQLite does not use that index for a query of `login.succeeded` alone.
    """
    op.drop_index("ix_outbox_due_at_sent_at", "outbox", if_exists=True)
    for index in sa.inspect(op.get_bind()).get_indexes("audit_events"):
        conditions = map(str, index["dialect_options"].values())
        if any("session.moved" in condition for condition in conditions):
            op.drop_index("ix_audit_events_logins", "audit_events")


def create_missing_index(
    name: str, table: str, columns: list[str], where: str | None = None
) -> None:
    """Create an index unless one of this name exists; `where` makes it a partial index."""
    condition = sa.text(where) if where else None
    op.create_index(
        name,
        table,
        columns,
        if_not_exists=True,
        sqlite_where=condition,
        postgresql_where=condition,
    )


def downgrade() -> None:
    """Change nothing: everything that 0004 adds belongs to the schema of revision 0003.

    0003's own downgrade removes it again, and could not run without it.
    """
