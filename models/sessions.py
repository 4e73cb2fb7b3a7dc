"""Tables of sessions and tokens: what is open, what has ended, and what signs."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.core import clock, crypto_labels
from gatehouse.database.session import Base, UTCDateTime
from models.columns import (
    AUTOINCREMENT,
    DIGEST,
    IP_ADDRESS,
    creation_time,
    encrypted,
    new_id,
    owner,
    partial_index,
)


class Session(Base):
    """A session of a user on one device, from login until it is ended or reaches a limit."""

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("(acr = 'aal1') = (aal2_authenticated_at IS NULL)", name="level_has_time"),
        partial_index(
            "ix_sessions_actor_session_id",
            "actor_session_id",
            where="actor_session_id IS NOT NULL",
        ),
    )

    id: Mapped[UUID] = new_id()
    user_id: Mapped[UUID] = owner()
    created_at: Mapped[datetime] = creation_time()
    authenticated_at: Mapped[datetime] = creation_time()
    last_seen_at: Mapped[datetime] = creation_time()
    idle_at: Mapped[datetime] = mapped_column(UTCDateTime)
    """When it ends unless it is refreshed; the `exp` of its current refresh token."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    """When it ends at the latest."""
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    end_reason: Mapped[str | None] = mapped_column(String(32))
    amr: Mapped[list[str]] = mapped_column(JSON)
    acr: Mapped[str] = mapped_column(String(8))
    aal2_authenticated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When a second factor was last authenticated; None at AAL1."""
    ip_address: Mapped[str] = mapped_column(IP_ADDRESS)
    user_agent: Mapped[str] = mapped_column(String(400))
    current_token_id: Mapped[UUID | None] = mapped_column(Uuid)
    """The `jti` of its unused refresh token; None if an old version left a session without one."""
    token_issued_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    used_tokens: Mapped[str] = mapped_column(String(960), default="", server_default="")
    """Refresh tokens used within the reuse interval (see `sessions.refresh_tokens`)."""
    device_digest: Mapped[str | None] = mapped_column(DIGEST)
    """Keyed digest of the device token that its login returned."""
    replacements: Mapped[list[int]] = mapped_column(JSON, default=list, server_default="[]")
    """When unused refresh tokens were replaced in the last 24 hours, in Unix seconds."""
    actor_id: Mapped[UUID | None] = mapped_column(Uuid)
    """The administrator who acts as the user in this session; None in the user's own ones."""
    actor_session_id: Mapped[UUID | None] = mapped_column(Uuid)
    """The administrator's session: when it ends, this one ends."""


class TokenStatusEntry(Base):
    """The index of a session in the token status lists; indexes are ascending and never reused."""

    __tablename__ = "token_status_entries"
    __table_args__ = ({"sqlite_autoincrement": True},)

    status_index: Mapped[int] = mapped_column(AUTOINCREMENT, primary_key=True, autoincrement=True)
    session_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("sessions.id", ondelete="CASCADE"), unique=True
    )


class Revocation(Base):
    """An ended session or grant whose tokens are rejected before they expire; workers read it."""

    __tablename__ = "revocations"

    session_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    """The id of the session, or of the grant of a client."""
    status_index: Mapped[int | None] = mapped_column(BigInteger)
    """The session's status list index; None for sessions that are older than the lists."""
    revoked_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, index=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    """When the session's last access token will have expired."""


class AuthorizationChange(Base):
    """A change of what a user or a role may do, for which older access tokens are outdated.

    There is one row for each user or role; all workers read it, like the revocations.
    """

    __tablename__ = "authorization_changes"

    subject_kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    """`user` or `role`."""
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The id of the user, or the name of the role."""
    version: Mapped[int] = mapped_column(BigInteger)
    changed_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    """When the last access token of an older version will have expired."""


class SigningKey(Base):
    """A key that signs tokens: next, then active, then retired, then expired."""

    __tablename__ = "signing_keys"

    id: Mapped[UUID] = new_id()
    kid: Mapped[str] = mapped_column(String(64), unique=True)
    """The JWK thumbprint (RFC 7638)."""
    algorithm: Mapped[str] = mapped_column(String(8))
    private: Mapped[bytes] = encrypted(crypto_labels.SIGNING_KEY)
    """PKCS#8 PEM."""
    created_at: Mapped[datetime] = creation_time()
    activated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
