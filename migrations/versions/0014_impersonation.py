"""Sessions in which an administrator acts as a user.

Additive: an older version opens none, and its own sessions have neither column.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

COLUMNS = ("actor_id", "actor_session_id")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("sessions", sa.Column(name, sa.Uuid(), nullable=True))
    where = sa.text("actor_session_id IS NOT NULL")
    op.create_index(
        "ix_sessions_actor_session_id",
        "sessions",
        ["actor_session_id"],
        sqlite_where=where,
        postgresql_where=where,
    )


def downgrade() -> None:
    op.drop_index("ix_sessions_actor_session_id", table_name="sessions")
    for name in COLUMNS:
        op.execute(f"ALTER TABLE sessions DROP COLUMN {name}")
