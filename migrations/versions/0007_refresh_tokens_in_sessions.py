"""Keep refresh tokens in the rows of their sessions instead of a table of their own.

A session's unused token becomes its current one, and tokens that were used in the last five minutes
its used ones, so that tokens of the old version work once and their reuse is detected. Needs all
replicas stopped.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from gatehouse.core import clock

revision = "0007"
down_revision = "0006"

USED_TOKEN_RETENTION = timedelta(minutes=5)  # longer than any reuse interval
MAX_USED_TOKENS = 20
BATCH_SIZE = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME = sa.DateTime(timezone=True)

SESSIONS = sa.table(
    "sessions",
    sa.column("id", sa.Uuid),
    sa.column("idle_at", TIME),
    sa.column("ended_at", TIME),
    sa.column("current_token_id", sa.Uuid),
    sa.column("token_issued_at", TIME),
    sa.column("used_tokens", sa.String),
)
TOKENS = sa.table(
    "refresh_tokens",
    sa.column("id", sa.Uuid),
    sa.column("session_id", sa.Uuid),
    sa.column("issued_at", TIME),
    sa.column("expires_at", TIME),
    sa.column("used_at", TIME),
)


def upgrade() -> None:
    op.add_column("sessions", sa.Column("current_token_id", sa.Uuid(), nullable=True))
    op.add_column("sessions", sa.Column("token_issued_at", TIME, nullable=True))
    op.add_column(
        "sessions", sa.Column("used_tokens", sa.String(960), nullable=False, server_default="")
    )
    op.add_column("sessions", sa.Column("device_digest", sa.String(64), nullable=True))
    op.add_column(
        "sessions", sa.Column("replacements", sa.JSON(), nullable=False, server_default="[]")
    )
    copy_current_tokens()
    copy_used_tokens()
    op.drop_table("refresh_tokens")


def copy_current_tokens() -> None:
    unused = (
        sa.select(TOKENS.c.id)
        .where(TOKENS.c.session_id == SESSIONS.c.id, TOKENS.c.used_at.is_(None))
        .order_by(TOKENS.c.issued_at.desc())
        .limit(1)
    )
    issued_at = unused.with_only_columns(TOKENS.c.issued_at)
    op.execute(
        sa.update(SESSIONS).values(
            current_token_id=unused.scalar_subquery(), token_issued_at=issued_at.scalar_subquery()
        )
    )


def copy_used_tokens() -> None:
    recent = sa.select(TOKENS.c.session_id, TOKENS.c.id, TOKENS.c.used_at)
    recent = recent.where(TOKENS.c.used_at > clock.now() - USED_TOKEN_RETENTION)
    uses = defaultdict(list)
    for session_id, token_id, used_at in op.get_bind().execute(recent):
        uses[session_id].append(format_use(token_id, used_at))
    rows = (
        {"session_id": session_id, "uses": "".join(newest_first(entries))}
        for session_id, entries in uses.items()
    )
    change = (
        sa.update(SESSIONS)
        .where(SESSIONS.c.id == sa.bindparam("session_id"))
        .values(used_tokens=sa.bindparam("uses"))
    )
    while batch := list(islice(rows, BATCH_SIZE)):
        op.get_bind().execute(change, batch)


def newest_first(entries: list[str]) -> list[str]:
    return sorted(entries, key=lambda entry: entry[32:], reverse=True)[:MAX_USED_TOKENS]


def format_use(token_id: UUID, used_at: datetime) -> str:
    """32 hex digits of the id, and 16 digits of the time in Unix microseconds."""
    microseconds = (used_at.replace(tzinfo=used_at.tzinfo or UTC) - EPOCH) // timedelta(
        microseconds=1
    )
    return f"{token_id.hex}{microseconds:016d}"


def downgrade() -> None:
    op.create_table(
        "refresh_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("issued_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name=op.f("fk_refresh_tokens_session_id_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refresh_tokens")),
    )
    op.create_index(op.f("ix_refresh_tokens_session_id"), "refresh_tokens", ["session_id"])
    restore_current_tokens()
    restore_used_tokens()
    for column in (
        "replacements",
        "device_digest",
        "used_tokens",
        "token_issued_at",
        "current_token_id",
    ):
        op.execute(f"ALTER TABLE sessions DROP COLUMN {column}")


def restore_current_tokens() -> None:
    columns = (SESSIONS.c.current_token_id, SESSIONS.c.id, SESSIONS.c.token_issued_at)
    current = sa.select(*columns, SESSIONS.c.idle_at).where(
        SESSIONS.c.current_token_id.is_not(None), SESSIONS.c.ended_at.is_(None)
    )
    names = ["id", "session_id", "issued_at", "expires_at"]
    op.execute(sa.insert(TOKENS).from_select(names, current))


def restore_used_tokens() -> None:
    used = sa.select(SESSIONS.c.id, SESSIONS.c.idle_at, SESSIONS.c.used_tokens)
    used = used.where(SESSIONS.c.used_tokens != "", SESSIONS.c.ended_at.is_(None))
    rows = (
        {
            "id": UUID(entry[:32]),
            "session_id": session_id,
            "issued_at": EPOCH + timedelta(microseconds=int(entry[32:])),
            "expires_at": idle_at,
            "used_at": EPOCH + timedelta(microseconds=int(entry[32:])),
        }
        for session_id, idle_at, uses in op.get_bind().execute(used).all()
        for entry in (uses[start : start + 48] for start in range(0, len(uses), 48))
    )
    while batch := list(islice(rows, BATCH_SIZE)):
        op.get_bind().execute(sa.insert(TOKENS), batch)
