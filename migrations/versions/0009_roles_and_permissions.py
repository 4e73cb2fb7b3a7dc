"""Roles with permissions and parents, assignments with an expiry, and versions of all of them.

Only additions, so that the old version can run beside the new one until it is stopped. The old
version does not know when an assignment expires: wait with expiring ones until all replicas are
new.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

TIME = sa.DateTime(timezone=True)
BUILT_IN = {
    "support": "Helps users: reads and changes accounts.",
    "auditor": "Reads everything, changes nothing.",
}


def upgrade() -> None:
    op.add_column(
        "users", sa.Column("roles_version", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column(
        "roles", sa.Column("version", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column("role_assignments", sa.Column("expires_at", TIME, nullable=True))
    op.add_column("role_assignments", sa.Column("reason", sa.String(200), nullable=True))
    create_catalog()
    create_changes()
    add_built_in_roles()


def create_catalog() -> None:
    version = op.create_table(
        "role_catalog_version",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_catalog_version")),
    )
    op.bulk_insert(version, [{"id": 1, "version": 0}])
    op.create_table(
        "permissions",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("audience", sa.String(255), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_permissions")),
    )
    op.create_table(
        "role_permissions",
        sa.Column("role", sa.String(64), nullable=False),
        sa.Column("permission", sa.String(64), nullable=False),
        role_foreign_key("role_permissions", "role"),
        sa.PrimaryKeyConstraint("role", "permission", name=op.f("pk_role_permissions")),
    )
    op.create_index(op.f("ix_role_permissions_permission"), "role_permissions", ["permission"])
    op.create_table(
        "role_parents",
        sa.Column("role", sa.String(64), nullable=False),
        sa.Column("parent", sa.String(64), nullable=False),
        role_foreign_key("role_parents", "role"),
        role_foreign_key("role_parents", "parent"),
        sa.PrimaryKeyConstraint("role", "parent", name=op.f("pk_role_parents")),
    )
    op.create_index(op.f("ix_role_parents_parent"), "role_parents", ["parent"])


def role_foreign_key(table: str, column: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_roles")
    return sa.ForeignKeyConstraint([column], ["roles.name"], name=name, ondelete="CASCADE")


def create_changes() -> None:
    op.create_table(
        "authorization_changes",
        sa.Column("subject_kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("subject_kind", "subject", name=op.f("pk_authorization_changes")),
    )
    for column in ("changed_at", "expires_at"):
        name = op.f(f"ix_authorization_changes_{column}")
        op.create_index(name, "authorization_changes", [column])


def add_built_in_roles() -> None:
    """Add the new built-in roles.

    A role of the operator's with the name of one would silently get its permissions.
    """
    roles = sa.table("roles", sa.column("name", sa.String), sa.column("description", sa.String))
    taken = op.get_bind().scalars(sa.select(roles.c.name).where(roles.c.name.in_(BUILT_IN))).all()
    if taken:
        raise RuntimeError(
            f"The roles {sorted(taken)} are built in from this version on. Rename yours first:"
            " INSERT the new name into roles, UPDATE role_assignments, DELETE the old name."
        )
    op.bulk_insert(roles, [{"name": name, "description": text} for name, text in BUILT_IN.items()])


def downgrade() -> None:
    for table in (
        "authorization_changes",
        "role_parents",
        "role_permissions",
        "permissions",
        "role_catalog_version",
    ):
        op.drop_table(table)
    op.execute("DELETE FROM role_assignments WHERE role IN ('support', 'auditor')")
    op.execute("DELETE FROM role_assignments WHERE expires_at IS NOT NULL")
    op.execute("DELETE FROM roles WHERE name IN ('support', 'auditor')")
    for table, column in (
        ("role_assignments", "reason"),
        ("role_assignments", "expires_at"),
        ("roles", "version"),
        ("users", "roles_version"),
    ):
        op.drop_column(table, column)
