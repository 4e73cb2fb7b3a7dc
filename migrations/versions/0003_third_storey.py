"""The third storey: credentials, idempotency keys, what was spent, what was texted."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

ADDED = {
    "devices": "remembered_until",
    "outbox": "given_up_at",
    "passwords": "compromised_at",
    "roles": "mfa_wanted_at",
    "sessions": "raised_at",
    "users": "mfa_renewed_at",
}
WAITING = sa.text("sent_at IS NULL AND given_up_at IS NULL")
QUEUE = {
    "ix_outbox_due": ["due_at"],
    "ix_outbox_ahead": ["recipient_lower", "channel", "created_at"],
}
"""Indexes of what waits in the outbox, small however much was sent."""


def upgrade() -> None:
    op.create_table(
        "credentials",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("lookup", sa.String(length=64), nullable=True),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_credentials_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        sa.UniqueConstraint("kind", "lookup", name=op.f("uq_credentials_kind_lookup")),
    )
    op.create_index(op.f("ix_credentials_user_id"), "credentials", ["user_id"], unique=False)

    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("body_digest", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        op.f("ix_idempotency_keys_expires_at"), "idempotency_keys", ["expires_at"], unique=False
    )

    op.create_table(
        "spent",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_spent")),
    )
    op.create_index(op.f("ix_spent_expires_at"), "spent", ["expires_at"], unique=False)

    op.create_table(
        "sms_prefixes",
        sa.Column("prefix", sa.String(length=8), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("proved", sa.Integer(), nullable=False),
        sa.Column("counted_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_sms_prefixes")),
    )

    op.create_table(
        "guard_tallies",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_guard_tallies")),
    )
    op.create_index(op.f("ix_guard_tallies_expires_at"), "guard_tallies", ["expires_at"])
    logins = sa.text("name = 'login.succeeded'")
    op.create_index(
        "ix_audit_events_logins",
        "audit_events",
        ["user_id", "at"],
        sqlite_where=logins,
        postgresql_where=logins,
    )
    op.add_column("outbox", sa.Column("good_until", sa.DateTime(timezone=True), nullable=True))
    op.drop_index("ix_outbox_due_at_sent_at", "outbox")

    for table, column in ADDED.items():
        op.add_column(table, sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    op.add_column("passwords", sa.Column("chosen_by", sa.String(length=8), nullable=True))
    op.add_column("challenges", sa.Column("user_id", sa.Uuid(), nullable=True))
    op.create_index(op.f("ix_challenges_user_id"), "challenges", ["user_id"], unique=False)

    where = {"sqlite_where": WAITING, "postgresql_where": WAITING}
    for name, columns in QUEUE.items():
        op.create_index(name, "outbox", columns, unique=False, **where)


def downgrade() -> None:
    for name in QUEUE:
        op.drop_index(name, "outbox")
    op.drop_index(op.f("ix_challenges_user_id"), table_name="challenges")
    op.drop_column("challenges", "user_id")
    op.drop_column("passwords", "chosen_by")
    for table, column in ADDED.items():
        op.drop_column(table, column)
    op.drop_index("ix_audit_events_logins", "audit_events")
    op.drop_column("outbox", "good_until")
    op.create_index("ix_outbox_due_at_sent_at", "outbox", ["due_at", "sent_at"], unique=False)
    for table in ("guard_tallies", "sms_prefixes", "spent", "idempotency_keys", "credentials"):
        op.drop_table(table)
