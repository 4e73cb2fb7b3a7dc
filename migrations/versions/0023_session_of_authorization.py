"""The session in which a grant was authorized, whose end its client is notified of.

Additive: a nullable column of `oauth_grants`.
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("oauth_grants", sa.Column("authorized_session_id", sa.Uuid(), nullable=True))
    op.create_index(
        "ix_oauth_grants_authorized_session_id", "oauth_grants", ["authorized_session_id"]
    )


def downgrade() -> None:
    op.drop_index("ix_oauth_grants_authorized_session_id", "oauth_grants")
    op.execute("ALTER TABLE oauth_grants DROP COLUMN authorized_session_id")
