"""Accounts that are disabled for a time or deleted with a grace period; indexes to search users.

Additive: an older version reads `disabled_at` alone, which a deleted account has, too.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

TIME = sa.DateTime(timezone=True)
COLUMNS = {
    "disabled_until": TIME,
    "disabled_reason": sa.String(200),
    "deleted_at": TIME,
    "erased_after": TIME,
}
PREFIXES = ("email_canonical", "username_canonical")
PARTIAL = {
    "disabled": "disabled_at IS NOT NULL",
    "deleted": "deleted_at IS NOT NULL",
    "unverified": "email_verified_at IS NULL",
}
BY_CREATION = ["created_at", "id"]


def upgrade() -> None:
    for name, column_type in COLUMNS.items():
        op.add_column("users", sa.Column(name, column_type, nullable=True))
    for column in PREFIXES:
        op.create_index(
            f"ix_users_{column}_prefix",
            "users",
            [column],
            postgresql_ops={column: "text_pattern_ops"},
        )
    op.create_index("ix_users_created_at_id", "users", BY_CREATION)
    for name, condition in PARTIAL.items():
        where = sa.text(condition)
        op.create_index(
            f"ix_users_{name}", "users", BY_CREATION, sqlite_where=where, postgresql_where=where
        )


def downgrade() -> None:
    for name in PARTIAL:
        op.drop_index(f"ix_users_{name}", table_name="users")
    op.drop_index("ix_users_created_at_id", table_name="users")
    for column in PREFIXES:
        op.drop_index(f"ix_users_{column}_prefix", table_name="users")
    for name in COLUMNS:
        op.execute(f"ALTER TABLE users DROP COLUMN {name}")
