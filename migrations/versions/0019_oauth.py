"""The OAuth 2.0 authorization server: clients, resources, consents and grants.

Additive: tables that the old version does not use.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

TIME = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PENDING = sa.text("state = 'pending'")
TABLES = (
    *("oauth_clients", "oauth_client_secrets", "oauth_resources", "oauth_consents"),
    *("oauth_grants", "grant_status_entries", "pairwise_subjects", "used_client_assertions"),
    "logout_notifications",
)


def upgrade() -> None:
    op.create_table(
        "oauth_clients",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("authentication_method", sa.String(32), nullable=False),
        sa.Column("jwks", sa.JSON(), nullable=True),
        sa.Column("redirect_uris", sa.JSON(), nullable=False),
        sa.Column("post_logout_redirect_uris", sa.JSON(), nullable=False),
        sa.Column("backchannel_logout_uri", sa.String(2000), nullable=True),
        sa.Column("grant_types", sa.JSON(), nullable=False),
        sa.Column("response_modes", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("consent", sa.String(16), nullable=False),
        sa.Column("require_pkce", sa.Boolean(), nullable=False),
        sa.Column("subject_type", sa.String(16), nullable=False),
        sa.Column("sector", sa.String(255), nullable=True),
        sa.Column("id_token_algorithm", sa.String(8), nullable=False),
        sa.Column("access_token_lifetime", sa.Integer(), nullable=False),
        sa.Column("refresh_token_lifetime", sa.Integer(), nullable=False),
        sa.Column("grant_lifetime", sa.Integer(), nullable=False),
        sa.Column("uri", sa.String(2000), nullable=True),
        sa.Column("logo_uri", sa.String(2000), nullable=True),
        sa.Column("terms_uri", sa.String(2000), nullable=True),
        sa.Column("privacy_uri", sa.String(2000), nullable=True),
        sa.Column("service_account_id", sa.Uuid(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_clients")),
        sa.ForeignKeyConstraint(
            ["service_account_id"],
            ["service_accounts.id"],
            name=op.f("fk_oauth_clients_service_account_id_service_accounts"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_oauth_clients_service_account_id", "oauth_clients", ["service_account_id"])
    op.create_table(
        "oauth_client_secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("days_announced", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_client_secrets")),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["oauth_clients.id"],
            name=op.f("fk_oauth_client_secrets_client_id_oauth_clients"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("digest", name=op.f("uq_oauth_client_secrets_digest")),
    )
    op.create_index("ix_oauth_client_secrets_client_id", "oauth_client_secrets", ["client_id"])
    op.create_index("ix_oauth_client_secrets_expires_at", "oauth_client_secrets", ["expires_at"])
    op.create_table(
        "oauth_resources",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("audience", sa.String(255), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_resources")),
        sa.UniqueConstraint("audience", name=op.f("uq_oauth_resources_audience")),
    )
    op.create_table(
        "oauth_consents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_consents")),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["oauth_clients.id"],
            name=op.f("fk_oauth_consents_client_id_oauth_clients"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "user_id", "client_id", name=op.f("uq_oauth_consents_user_id_client_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_oauth_consents_user_id_users"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_oauth_consents_client_id", "oauth_consents", ["client_id"])
    op.create_index("ix_oauth_consents_user_id", "oauth_consents", ["user_id"])
    op.create_table(
        "oauth_grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("sid", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("authenticated_at", TIME, nullable=False),
        sa.Column("amr", sa.JSON(), nullable=False),
        sa.Column("acr", sa.String(8), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("code_digest", sa.String(64), nullable=False),
        sa.Column("code_expires_at", TIME, nullable=False),
        sa.Column("code_used_at", TIME, nullable=True),
        sa.Column("current_token_id", sa.Uuid(), nullable=True),
        sa.Column("token_issued_at", TIME, nullable=True),
        sa.Column("used_tokens", sa.String(960), nullable=False, server_default=""),
        sa.Column("idle_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("end_reason", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_oauth_grants")),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["oauth_clients.id"],
            name=op.f("fk_oauth_grants_client_id_oauth_clients"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("code_digest", name=op.f("uq_oauth_grants_code_digest")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_oauth_grants_user_id_users"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_oauth_grants_client_id", "oauth_grants", ["client_id"])
    op.create_index("ix_oauth_grants_code_expires_at", "oauth_grants", ["code_expires_at"])
    op.create_index("ix_oauth_grants_expires_at", "oauth_grants", ["expires_at"])
    op.create_index("ix_oauth_grants_session_id", "oauth_grants", ["session_id"])
    op.create_index("ix_oauth_grants_user_id", "oauth_grants", ["user_id"])
    op.create_table(
        "grant_status_entries",
        sa.Column("status_index", NUMBER, autoincrement=True, nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("status_index", name=op.f("pk_grant_status_entries")),
        sa.ForeignKeyConstraint(
            ["grant_id"],
            ["oauth_grants.id"],
            name=op.f("fk_grant_status_entries_grant_id_oauth_grants"),
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("grant_id", name=op.f("uq_grant_status_entries_grant_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "pairwise_subjects",
        sa.Column("subject", sa.Uuid(), nullable=False),
        sa.Column("sector", sa.String(255), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_pairwise_subjects")),
        sa.UniqueConstraint("sector", "user_id", name=op.f("uq_pairwise_subjects_sector_user_id")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_pairwise_subjects_user_id_users"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_pairwise_subjects_user_id", "pairwise_subjects", ["user_id"])
    op.create_table(
        "used_client_assertions",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_used_client_assertions")),
    )
    op.create_index(
        "ix_used_client_assertions_expires_at", "used_client_assertions", ["expires_at"]
    )
    op.create_table(
        "logout_notifications",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("sid", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", TIME, nullable=False),
        sa.Column("leased_until", TIME, nullable=True),
        sa.Column("last_attempt_at", TIME, nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logout_notifications")),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["oauth_clients.id"],
            name=op.f("fk_logout_notifications_client_id_oauth_clients"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_logout_notifications_client_id", "logout_notifications", ["client_id"])
    op.create_index(
        "ix_logout_notifications_due",
        "logout_notifications",
        ["next_attempt_at", "id"],
        sqlite_where=PENDING,
        postgresql_where=PENDING,
    )
    op.create_index("ix_logout_notifications_user_id", "logout_notifications", ["user_id"])


def downgrade() -> None:
    for name in reversed(TABLES):
        op.drop_table(name)
