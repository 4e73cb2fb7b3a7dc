"""Actors and targets of audit events, role assignments of any subject, external identities.

Events that are already stored keep no actor: the request that caused them was not recorded.
"""

import hashlib
from datetime import UTC
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

AUDIT_COLUMNS = {
    "actor_kind": sa.String(16),
    "actor_id": sa.Uuid(),
    "client_id": sa.String(255),
    "target_kind": sa.String(32),
    "target_id": sa.String(255),
}
IN_NO_ORGANIZATION = sa.text("organization_id IS NULL")


def upgrade() -> None:
    for name, column_type in AUDIT_COLUMNS.items():
        op.add_column("audit_events", sa.Column(name, column_type, nullable=True))
    create_role_assignments()
    copy_user_roles()
    op.drop_table("user_roles")
    create_external_identities()


def downgrade() -> None:
    op.drop_table("external_identities")
    create_user_roles()
    op.execute(
        "INSERT INTO user_roles (user_id, role, created_at)"
        " SELECT user_id, role, created_at FROM role_assignments"
        " WHERE user_id IS NOT NULL AND organization_id IS NULL"
    )
    op.drop_table("role_assignments")
    for name in AUDIT_COLUMNS:
        op.drop_column("audit_events", name)


def create_role_assignments() -> None:
    op.create_table(
        "role_assignments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("role", sa.String(64), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_role_assignments_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["role"],
            ["roles.name"],
            name=op.f("fk_role_assignments_role_roles"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_assignments")),
        sa.UniqueConstraint(
            "subject_kind",
            "subject_id",
            "role",
            "organization_id",
            name=op.f("uq_role_assignments_subject_kind_subject_id_role_organization_id"),
        ),
        sa.CheckConstraint(
            "subject_kind <> 'user' OR (user_id IS NOT NULL AND user_id = subject_id)",
            name=op.f("ck_role_assignments_subject_of_user"),
        ),
    )
    op.create_index(
        "uq_role_assignments_in_no_organization",
        "role_assignments",
        ["subject_kind", "subject_id", "role"],
        unique=True,
        sqlite_where=IN_NO_ORGANIZATION,
        postgresql_where=IN_NO_ORGANIZATION,
    )
    for column in ("user_id", "role"):
        op.create_index(op.f(f"ix_role_assignments_{column}"), "role_assignments", [column])


def copy_user_roles() -> None:
    user_roles = sa.table(
        "user_roles",
        sa.column("user_id", sa.Uuid),
        sa.column("role", sa.String),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    assignments = sa.table(
        "role_assignments",
        sa.column("id", sa.Uuid),
        sa.column("subject_kind", sa.String),
        sa.column("subject_id", sa.Uuid),
        *(sa.column(column.name, column.type) for column in user_roles.columns),
    )
    rows = [
        {"id": new_id(row), "subject_kind": "user", "subject_id": row.user_id} | row._asdict()
        for row in op.get_bind().execute(sa.select(user_roles))
    ]
    if rows:
        op.get_bind().execute(sa.insert(assignments), rows)


def new_id(row: sa.Row) -> UUID:
    """Return a UUIDv7 (RFC 9562 section 5.7) of the row's time, unique by its user and role."""
    at = row.created_at
    milliseconds = int(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1000)
    digest = hashlib.sha256(f"{row.user_id} {row.role}".encode()).digest()
    value = int.from_bytes(milliseconds.to_bytes(6) + digest[:10])
    return UUID(int=value & ~(0xF << 76) & ~(0b11 << 62) | 7 << 76 | 0b10 << 62)


def create_user_roles() -> None:
    op.create_table(
        "user_roles",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["role"], ["roles.name"], name=op.f("fk_user_roles_role_roles"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_user_roles_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "role", name=op.f("pk_user_roles")),
    )
    op.create_index(op.f("ix_user_roles_role"), "user_roles", ["role"])


def create_external_identities() -> None:
    op.create_table(
        "external_identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.String(1024), nullable=False),
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("provider", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_external_identities_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_identities")),
        sa.UniqueConstraint(
            "issuer", "subject", name=op.f("uq_external_identities_issuer_subject")
        ),
    )
    op.create_index(op.f("ix_external_identities_user_id"), "external_identities", ["user_id"])
