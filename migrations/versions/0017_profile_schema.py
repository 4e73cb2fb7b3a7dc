"""Attributes of users, which the operator declares as JSON Schema.

Additive: a table with one row, and a nullable column that the old version ignores.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

NOTHING_DECLARED = {"type": "object", "properties": {}}


def upgrade() -> None:
    op.add_column("users", sa.Column("attributes", sa.JSON(), nullable=True))
    schema = op.create_table(
        "profile_schema",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("claims_size", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profile_schema")),
    )
    op.bulk_insert(schema, [{"id": 1, "version": 0, "definition": NOTHING_DECLARED}])


def downgrade() -> None:
    op.drop_table("profile_schema")
    op.drop_column("users", "attributes")
