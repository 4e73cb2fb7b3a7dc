"""An index that finds the users with a kind of factor, also among a million."""

from alembic import op

revision = "0013"
down_revision = "0012"

NAME = "ix_credentials_kind_user_id"


def upgrade() -> None:
    op.create_index(NAME, "credentials", ["kind", "user_id"])


def downgrade() -> None:
    op.drop_index(NAME, table_name="credentials")
