"""Count the attempts of the client that requested a code apart from those of others.

Rows of the old version have no requester; they are found as before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("one_time_codes", sa.Column("requester_digest", sa.String(64), nullable=True))
    op.add_column(
        "one_time_codes",
        sa.Column("requester_attempts", sa.Integer(), nullable=False, server_default="0"),
    )
    op.create_index(
        op.f("ix_one_time_codes_requester_digest"), "one_time_codes", ["requester_digest"]
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_one_time_codes_requester_digest"), "one_time_codes")
    op.execute("ALTER TABLE one_time_codes DROP COLUMN requester_attempts")
    op.execute("ALTER TABLE one_time_codes DROP COLUMN requester_digest")
