"""The floor plan of the data: every table, its columns and its relationships, and no behaviour.

Ids are UUIDv7, times are UTC. Columns marked `sealed` hold AES-GCM ciphertext (see
`gatehouse.core.crypto`) whose associated data is `table.column:id`. Digests are 64
hexadecimal characters; no table holds an unguessable value in clear.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.core import clock, crypto
from gatehouse.database.session import Base, UTCDateTime

DIGEST = String(64)
ADDRESS = String(45)
LOGINS = text("name = 'login.succeeded'")
"""Where a person signed in lately: found by an index, among thousands of refreshes."""
WAITING = text("sent_at IS NULL AND given_up_at IS NULL")
COUNTED = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up in INTEGER only


def _id() -> Mapped[UUID]:
    return mapped_column(Uuid, primary_key=True, default=crypto.new_id)


def _created() -> Mapped[datetime]:
    return mapped_column(UTCDateTime, default=clock.now)


def _sealed() -> Mapped[bytes]:
    return mapped_column(LargeBinary, info={"sealed": True})


def _user() -> Mapped[UUID]:
    return mapped_column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), index=True)


class User(Base):
    """A person with an account. Whoever has not proved an address has none (see Challenge)."""

    __tablename__ = "users"
    __table_args__ = (
        Index(
            "uq_users_proven_phone",
            "phone",
            unique=True,
            sqlite_where=text("phone_verified_at IS NOT NULL"),
            postgresql_where=text("phone_verified_at IS NOT NULL"),
        ),
        Index("ix_users_phone", "phone"),
    )

    id: Mapped[UUID] = _id()
    email: Mapped[str] = mapped_column(String(254))
    """As the person wrote it; mail goes to this string."""
    email_canonical: Mapped[str] = mapped_column(String(254), unique=True)
    email_verified_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    username: Mapped[str | None] = mapped_column(String(32))
    username_canonical: Mapped[str | None] = mapped_column(String(32), unique=True)
    phone: Mapped[str | None] = mapped_column(String(16))
    """E.164; unique among the proven ones."""
    phone_verified_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    name: Mapped[str | None] = mapped_column(String(200))
    locale: Mapped[str | None] = mapped_column(String(35))
    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    mfa_renewed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When an operator let the grace to set up a second factor begin anew."""
    created_at: Mapped[datetime] = _created()
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, onupdate=clock.now)


class Password(Base):
    """The password of an account: the hash with its parameters, and the pepper's name."""

    __tablename__ = "passwords"

    user_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    hash: Mapped[str] = mapped_column(String(255))
    pepper: Mapped[str] = mapped_column(String(16))
    changed_at: Mapped[datetime] = _created()
    compromised_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When it was found among stolen ones; it opens nothing before it is changed."""
    chosen_by: Mapped[str | None] = mapped_column(String(8))
    """`email` or `sms`: the message it was chosen with, until a strong factor is proved beside it.

    Till then whoever reads the message may know it, and it proves no more than the message does.
    """


class Credential(Base):
    """What somebody proves themselves with besides a password: a TOTP secret, a passkey, a code.

    One table serves every kind, so a new kind needs no migration.
    """

    __tablename__ = "credentials"
    __table_args__ = (UniqueConstraint("kind", "lookup"),)

    id: Mapped[UUID] = _id()
    user_id: Mapped[UUID] = _user()
    kind: Mapped[str] = mapped_column(String(32))
    lookup: Mapped[str | None] = mapped_column(DIGEST)
    """Digest by which it is found before it is known whose it is."""
    label: Mapped[str] = mapped_column(String(64))
    data: Mapped[bytes] = _sealed()
    counter: Mapped[int] = mapped_column(BigInteger, default=0)
    """Only grows: the last TOTP step that was accepted, the signatures of a passkey."""
    created_at: Mapped[datetime] = _created()
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """It counts from here."""
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Role(Base):
    """A named set of what people may do; `user` and `admin` are built in."""

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    description: Mapped[str] = mapped_column(String(200))
    mfa_wanted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When the policy first wanted a second factor of the people who have it."""


class UserRole(Base):
    """A role that a person was given. Everyone has `user` without a row."""

    __tablename__ = "user_roles"

    user_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(
        String(64), ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[datetime] = _created()


class Challenge(Base):
    """Something that waits to be proved once: a registration, an invitation.

    It is bound to its purpose and consumed by one conditional UPDATE, so it works once.
    """

    __tablename__ = "challenges"
    __table_args__ = (Index("ix_challenges_purpose_lookup", "purpose", "lookup"),)

    id: Mapped[UUID] = _id()
    purpose: Mapped[str] = mapped_column(String(32))
    lookup: Mapped[str] = mapped_column(DIGEST)
    """Keyed digest of what the challenge is about, such as the canonical address."""
    user_id: Mapped[UUID | None] = mapped_column(Uuid, index=True)
    """Whose it is, where that is known; no foreign key, for decoys are nobody's."""
    token_digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    code_digest: Mapped[str | None] = mapped_column(DIGEST)
    data: Mapped[bytes] = _sealed()
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = _created()
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Session(Base):
    """A person signed in on one device, from login until logout, theft, or a limit."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = _id()
    user_id: Mapped[UUID] = _user()
    created_at: Mapped[datetime] = _created()
    authenticated_at: Mapped[datetime] = _created()
    last_seen_at: Mapped[datetime] = _created()
    idle_at: Mapped[datetime] = mapped_column(UTCDateTime)
    """When it ends if nobody refreshes it; the `exp` of its current refresh token."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    """When it ends whatever happens."""
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    end_reason: Mapped[str | None] = mapped_column(String(32))
    amr: Mapped[list[str]] = mapped_column(JSON)
    acr: Mapped[str] = mapped_column(String(8))
    raised_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When a second factor was last proved in it; a session at AAL1 has none."""
    address: Mapped[str] = mapped_column(ADDRESS)
    user_agent: Mapped[str] = mapped_column(String(400))


class RefreshToken(Base):
    """A refresh token of a session, by its `jti`: the current one, and those used within the grace.

    Older rows may be deleted: a token whose row is gone, of a session that lives, was used before.
    """

    __tablename__ = "refresh_tokens"

    id: Mapped[UUID] = _id()
    session_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("sessions.id", ondelete="CASCADE"), index=True
    )
    issued_at: Mapped[datetime] = _created()
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class StatusEntry(Base):
    """The place of a session in the published status lists; places are given once, in order."""

    __tablename__ = "status_entries"
    __table_args__ = ({"sqlite_autoincrement": True},)

    position: Mapped[int] = mapped_column(COUNTED, primary_key=True, autoincrement=True)
    session_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("sessions.id", ondelete="CASCADE"), unique=True
    )


class Revocation(Base):
    """A session whose access tokens are dead before their time; read by every worker."""

    __tablename__ = "revocations"

    session_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    position: Mapped[int | None] = mapped_column(BigInteger)
    """The session's place in the status lists; a session from before they existed has none."""
    revoked_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, index=True)
    forget_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    """When the session's last access token has expired."""


class SigningKey(Base):
    """A key that signs tokens: next, then active, then retiring, then gone."""

    __tablename__ = "signing_keys"

    id: Mapped[UUID] = _id()
    kid: Mapped[str] = mapped_column(String(64), unique=True)
    """The JWK thumbprint (RFC 7638)."""
    algorithm: Mapped[str] = mapped_column(String(8))
    private: Mapped[bytes] = _sealed()
    """PKCS#8 PEM."""
    created_at: Mapped[datetime] = _created()
    activated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class OutboxMessage(Base):
    """A message that somebody shall get, written in the transaction of its reason."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_due", "due_at", sqlite_where=WAITING, postgresql_where=WAITING),
        Index(
            "ix_outbox_ahead",
            *("recipient_lower", "channel", "created_at"),
            sqlite_where=WAITING,
            postgresql_where=WAITING,
        ),
    )

    id: Mapped[UUID] = _id()
    channel: Mapped[str] = mapped_column(String(8))
    recipient: Mapped[str] = mapped_column(String(254))
    recipient_lower: Mapped[str] = mapped_column(String(254), index=True)
    """By which messages to one address are counted."""
    template: Mapped[str] = mapped_column(String(64))
    payload: Mapped[bytes] = _sealed()
    created_at: Mapped[datetime] = _created()
    due_at: Mapped[datetime] = _created()
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    good_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When its code or link expires: later nobody is sent it any more."""
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    given_up_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class IdempotencyKey(Base):
    """What was answered to a request that carried `Idempotency-Key`; kept for a day.

    Its key is the keyed digest of the header's value, the route and the caller.
    """

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    body_digest: Mapped[str] = mapped_column(DIGEST)
    """Keyed, and bound to the header's value, which is kept nowhere: a body can hold a password."""
    status: Mapped[int | None]
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """`told`, without any token, and `sealed`: the tokens of the answer, encrypted one by one."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class AuditEvent(Base):
    """Something that happened, in the transaction that made it happen; rows are only added.

    People and sessions are named by id without a foreign key: the event outlives them.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_user_id_at", "user_id", "at"),
        Index(
            "ix_audit_events_logins", "user_id", "at", sqlite_where=LOGINS, postgresql_where=LOGINS
        ),
    )

    id: Mapped[UUID] = _id()
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, index=True)
    name: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(8))
    user_id: Mapped[UUID | None] = mapped_column(Uuid)
    session_id: Mapped[UUID | None] = mapped_column(Uuid)
    request_id: Mapped[str] = mapped_column(String(64), index=True)
    address: Mapped[str] = mapped_column(ADDRESS)
    user_agent: Mapped[str] = mapped_column(String(400))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)


class Device(Base):
    """A device on which a person completed a login: it holds the token of this digest.

    People who share a device share its token; each has a row.
    """

    __tablename__ = "devices"
    __table_args__ = (UniqueConstraint("user_id", "digest"),)

    id: Mapped[UUID] = _id()
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(DIGEST)
    user_agent: Mapped[str] = mapped_column(String(400))
    created_at: Mapped[datetime] = _created()
    last_used_at: Mapped[datetime] = _created()
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    remembered_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """Until then nobody is asked for a second factor on it."""


class GuessCounter(Base):
    """Consecutive wrong passwords for one account: of a device, a network, an IPv6 site, or all.

    Its key is a keyed digest, the same for accounts that exist and for those that do not.
    """

    __tablename__ = "guess_counters"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    failures: Mapped[int]
    waits_until: Mapped[datetime] = mapped_column(UTCDateTime)
    """Before this moment no password is evaluated for the key."""
    counted_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class GuardTally(Base):
    """Which accounts had a wrong password lately, by site or password, and from where.

    Its key is a keyed digest with a salt that changes with the window. A row that is there because
    the guard is raised has the digest of the site, or of all of them.
    """

    __tablename__ = "guard_tallies"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    seen: Mapped[int] = mapped_column(BigInteger)
    """A bit for each account or site, of 62; several of them may share one."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class LimitCounter(Base):
    """A counter of the route limits, where no Redis keeps them; its key is a digest."""

    __tablename__ = "limit_counters"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    hits: Mapped[int]
    expires_at: Mapped[float] = mapped_column(index=True)


class Spent(Base):
    """Something that works once, and was used: the solution of a CAPTCHA. Its key is a digest."""

    __tablename__ = "spent"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class SmsPrefix(Base):
    """How many codes were texted to numbers of a prefix, and how many of them were typed in."""

    __tablename__ = "sms_prefixes"

    prefix: Mapped[str] = mapped_column(String(8), primary_key=True)
    sent: Mapped[int] = mapped_column(default=0)
    proved: Mapped[int] = mapped_column(default=0)
    counted_since: Mapped[datetime] = _created()
    paused_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
