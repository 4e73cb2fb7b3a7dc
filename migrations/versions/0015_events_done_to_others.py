"""Find the audit events in which a user acted on others, to erase that user's personal data.

Additive: an index only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

DONE_TO_OTHERS = sa.text("actor_id IS NOT NULL AND (user_id IS NULL OR user_id != actor_id)")


def upgrade() -> None:
    op.create_index(
        "ix_audit_events_done_to_others",
        "audit_events",
        ["actor_id", "at"],
        sqlite_where=DONE_TO_OTHERS,
        postgresql_where=DONE_TO_OTHERS,
    )


def downgrade() -> None:
    op.drop_index("ix_audit_events_done_to_others", table_name="audit_events")
