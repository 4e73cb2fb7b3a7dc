"""Database models: every table and its columns; no behaviour.

Ids are UUIDv7, times are UTC. Columns made by `_encrypted` hold AES-GCM ciphertext (see
`gatehouse.core.crypto`) whose associated data is `label:id`. Digests are 64 hexadecimal
characters; no table holds a secret in clear.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    TextClause,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.database.session import Base, UTCDateTime

DIGEST = String(64)
IP_ADDRESS = String(45)
SUCCESSFUL_LOGINS = text("name = 'login.succeeded'")
"""The condition of the partial index that finds a user's recent logins among other events."""
IN_NO_ORGANIZATION = text("organization_id IS NULL")
DISABLED = text("disabled_at IS NOT NULL")
IMPERSONATIONS = text("actor_session_id IS NOT NULL")
DELETED = text("deleted_at IS NOT NULL")
DONE_TO_OTHERS = text("actor_id IS NOT NULL AND (user_id IS NULL OR user_id != actor_id)")
"""The condition of the partial index that finds the few events whose actor is not their user."""
UNVERIFIED = text("email_verified_at IS NULL")
PENDING = text("state = 'pending'")
UNSENT = text("sent_at IS NULL AND abandoned_at IS NULL")
AUTOINCREMENT = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up in INTEGER only


def _id() -> Mapped[UUID]:
    return mapped_column(Uuid, primary_key=True, default=crypto.new_id)


def _created() -> Mapped[datetime]:
    return mapped_column(UTCDateTime, default=clock.now)


def _encrypted(label: str) -> Mapped[bytes]:
    return mapped_column(LargeBinary, info={"associated_data": label})


def _profile(length: int) -> Mapped[str | None]:
    return mapped_column(String(length), info={"profile_length": length})


def _prefix_index(column: str) -> Index:
    """Return an index that finds the beginning of a string, whatever the database's collation."""
    return Index(f"ix_users_{column}_prefix", column, postgresql_ops={column: "text_pattern_ops"})


def _partial_index(name: str, condition: TextClause) -> Index:
    """Return an index that lists the few users of a condition by the time of their creation."""
    columns = ("created_at", "id")
    return Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


def _pending_index(name: str, column: str) -> Index:
    """Return an index of the deliveries to a webhook that are not finished."""
    columns = ("hook_id", column, "id")
    name = f"ix_webhook_deliveries_{name}"
    return Index(name, *columns, sqlite_where=PENDING, postgresql_where=PENDING)


def _user() -> Mapped[UUID]:
    return mapped_column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), index=True)


class User(Base):
    """A user account, created when its e-mail address is verified (before: see OneTimeCode)."""

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
        _prefix_index("email_canonical"),
        _prefix_index("username_canonical"),
        Index("ix_users_created_at_id", "created_at", "id"),
        _partial_index("ix_users_disabled", DISABLED),
        _partial_index("ix_users_deleted", DELETED),
        _partial_index("ix_users_unverified", UNVERIFIED),
    )

    id: Mapped[UUID] = _id()
    email: Mapped[str] = mapped_column(String(254))
    """As the user wrote it; e-mails are sent to this string."""
    email_canonical: Mapped[str] = mapped_column(String(254), unique=True)
    email_verified_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    username: Mapped[str | None] = mapped_column(String(32))
    username_canonical: Mapped[str | None] = mapped_column(String(32), unique=True)
    phone: Mapped[str | None] = mapped_column(String(16))
    """E.164; unique among verified numbers."""
    phone_verified_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    name: Mapped[str | None] = _profile(200)
    locale: Mapped[str | None] = _profile(35)
    attributes: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """The operator's own attributes, by name, as the current `ProfileSchema` accepts them."""
    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """Since when the account may do nothing; every way in checks this column."""
    disabled_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When the account is enabled again; None if only an administrator enables it."""
    disabled_reason: Mapped[str | None] = mapped_column(String(200))
    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When an administrator deleted the account, which is disabled since then at the latest."""
    erased_after: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When the row of a deleted account is erased; until then it can be restored."""
    mfa_grace_extended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When an operator restarted the grace period for enrolling a second factor."""
    roles_version: Mapped[int] = mapped_column(default=0, server_default="0")
    """Increases with each change of the user's roles; access tokens name it."""
    created_at: Mapped[datetime] = _created()
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, onupdate=clock.now)


PROFILE_LENGTHS: dict[str, int] = {
    column.name: column.info["profile_length"]
    for column in User.__table__.columns
    if "profile_length" in column.info
}
"""The profile's columns and their lengths: forms, services and responses follow this list.

Identifiers, such as the username, are not in it: they have rules of their own.
"""


class ProfileSchema(Base):
    """The attributes that users can have, as JSON Schema, in one row; a change increases `version`.

    What writes attributes of a user locks the row for share, and what changes it for update.
    """

    __tablename__ = "profile_schema"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)
    claims_size: Mapped[int] = mapped_column(default=0, server_default="0")
    """Bytes in every access token that are kept free for claims; 0 if no attribute is one."""
    changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Password(Base):
    """The password of a user: its hash with parameters, and the name of the pepper key."""

    __tablename__ = "passwords"

    user_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    hash: Mapped[str] = mapped_column(String(255))
    pepper: Mapped[str] = mapped_column(String(16))
    changed_at: Mapped[datetime] = _created()
    compromised_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When it was found in a breach; logins with it fail until it is changed."""
    set_via: Mapped[str | None] = mapped_column(String(8))
    """`email` or `sms` if the password was set by a message and no strong factor confirmed it yet.

    Until then it counts for no more than access to that mailbox or phone.
    """


class Credential(Base):
    """An authenticator besides the password: a TOTP secret, a passkey, recovery codes.

    One table holds every kind, so a new kind needs no migration.
    """

    __tablename__ = "credentials"
    __table_args__ = (
        UniqueConstraint("kind", "lookup"),
        Index("ix_credentials_kind_user_id", "kind", "user_id"),
    )

    id: Mapped[UUID] = _id()
    user_id: Mapped[UUID] = _user()
    kind: Mapped[str] = mapped_column(String(32))
    lookup: Mapped[str | None] = mapped_column(DIGEST)
    """Digest that finds the credential when the user is not known yet, as with a passkey."""
    label: Mapped[str] = mapped_column(String(64))
    data: Mapped[bytes] = _encrypted(crypto_labels.CREDENTIAL_DATA)
    counter: Mapped[int] = mapped_column(BigInteger, default=0)
    """Only increases: the last accepted TOTP time step, or the signature count of a passkey."""
    created_at: Mapped[datetime] = _created()
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When its enrolment was completed; it cannot be used before."""
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Role(Base):
    """A role that users can have: one of the operator's, or a built-in one.

    The permissions of built-in roles are in `authorization.permissions`.
    """

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    description: Mapped[str] = mapped_column(String(200))
    mfa_required_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When the policy first required a second factor for this role."""
    version: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """The version of the catalogue at the role's last change; access tokens name it."""


class RoleCatalogVersion(Base):
    """The version of all roles and permissions together, in one row; each change increases it."""

    __tablename__ = "role_catalog_version"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)


class Permission(Base):
    """A permission of an operator's application; those of our own API are declared in code."""

    __tablename__ = "permissions"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    description: Mapped[str] = mapped_column(String(200))
    audience: Mapped[str | None] = mapped_column(String(255))
    """The `aud` of the tokens whose scope may contain it; None for the audience of our own."""
    created_at: Mapped[datetime] = _created()


class RolePermission(Base):
    """A permission that a role grants: one declared in code, or one of the table `permissions`."""

    __tablename__ = "role_permissions"

    role: Mapped[str] = mapped_column(
        String(64), ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True
    )
    permission: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)


class RoleParent(Base):
    """A role that contains another one, its parent, with all permissions of the parent."""

    __tablename__ = "role_parents"

    role: Mapped[str] = mapped_column(
        String(64), ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True
    )
    parent: Mapped[str] = mapped_column(
        String(64), ForeignKey("roles.name", ondelete="CASCADE"), primary_key=True, index=True
    )


class RoleAssignment(Base):
    """A role that a subject has: everywhere, or in one organization. All users have `user` anyway.

    Two indexes make an assignment unique, because NULL equals no other NULL in a unique constraint.
    """

    __tablename__ = "role_assignments"
    __table_args__ = (
        UniqueConstraint("subject_kind", "subject_id", "role", "organization_id"),
        Index(
            "uq_role_assignments_in_no_organization",
            *("subject_kind", "subject_id", "role"),
            unique=True,
            sqlite_where=IN_NO_ORGANIZATION,
            postgresql_where=IN_NO_ORGANIZATION,
        ),
        CheckConstraint(
            "(subject_kind = 'user') = (user_id IS NOT NULL)"
            " AND (user_id IS NULL OR user_id = subject_id)",
            name="subject_of_user",
        ),
    )

    id: Mapped[UUID] = _id()
    subject_kind: Mapped[str] = mapped_column(String(16))
    """`user` or `service_account`."""
    subject_id: Mapped[UUID] = mapped_column(Uuid)
    user_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    """The subject if it is a user: its assignments are deleted with it."""
    role: Mapped[str] = mapped_column(
        String(64), ForeignKey("roles.name", ondelete="CASCADE"), index=True
    )
    organization_id: Mapped[UUID | None] = mapped_column(Uuid)
    created_at: Mapped[datetime] = _created()
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reason: Mapped[str | None] = mapped_column(String(200))


class ServiceAccount(Base):
    """An account of a program, which authenticates with API keys."""

    __tablename__ = "service_accounts"

    id: Mapped[UUID] = _id()
    name: Mapped[str] = mapped_column(String(64), unique=True)
    description: Mapped[str] = mapped_column(String(200))
    owner_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("users.id", ondelete="SET NULL"), index=True
    )
    """The user who is responsible for it; without an enabled one its keys are rejected."""
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = _created()


class ApiKey(Base):
    """An API key of a service account: the digest of it, and what it may do."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = _id()
    service_account_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("service_accounts.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    permissions: Mapped[list[str]] = mapped_column(JSON)
    """Its scope: of these it has those that the roles of its service account grant."""
    networks: Mapped[list[str]] = mapped_column(JSON)
    """The networks that it may be used from; from anywhere if there are none."""
    created_at: Mapped[datetime] = _created()
    created_by: Mapped[UUID | None] = mapped_column(Uuid)
    """The user who created it, without a foreign key; None for an operator."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    successor_id: Mapped[UUID | None] = mapped_column(Uuid)
    """The key that replaced it when it was rotated, without a foreign key."""
    days_announced: Mapped[int | None] = mapped_column(Integer)
    """How many days before its end the owner was last notified."""


class ApiKeyVersion(Base):
    """The version of all API keys together, in one row: each change of what they may do."""

    __tablename__ = "api_key_version"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)


class Hook(Base):
    """A server of the operator: notified of events (webhook), or asked to decide (blocking)."""

    __tablename__ = "hooks"

    id: Mapped[UUID] = _id()
    name: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]] = mapped_column(JSON)
    secrets: Mapped[bytes] = _encrypted(crypto_labels.HOOK_SECRETS)
    on_failure: Mapped[str | None] = mapped_column(String(8))
    """Of a blocking hook: `allow` or `deny` while it does not answer."""
    timeout_ms: Mapped[int | None] = mapped_column(Integer)
    enabled: Mapped[bool] = mapped_column(default=True)
    paused_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """Since when nothing is sent to a webhook, because it kept failing."""
    paused_reason: Mapped[str | None] = mapped_column(String(200))
    failing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When a webhook failed for the first time since its last success."""
    created_at: Mapped[datetime] = _created()
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, onupdate=clock.now)
    version: Mapped[int] = mapped_column(default=1)
    """Increased by each change, so that workers notice it."""


class WebhookEvent(Base):
    """What happened, as webhooks deliver it; written in the transaction that causes it."""

    __tablename__ = "webhook_events"

    id: Mapped[UUID] = _id()
    """The `webhook-id`, the same for all webhooks and in all attempts."""
    name: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[UUID | None] = mapped_column(Uuid, index=True)
    """Not a foreign key: `user.erased` outlives its user."""
    payload: Mapped[bytes] = _encrypted(crypto_labels.WEBHOOK_PAYLOAD)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, index=True)


class WebhookDelivery(Base):
    """An event on its way to a webhook; those of one user are delivered in the order of ids."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("hook_id", "event_id"),
        _pending_index("due", "next_attempt_at"),
        _pending_index("order", "user_id"),
    )

    id: Mapped[int] = mapped_column(AUTOINCREMENT, primary_key=True)
    hook_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("hooks.id", ondelete="CASCADE"))
    event_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("webhook_events.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[UUID | None] = mapped_column(Uuid)
    state: Mapped[str] = mapped_column(String(16), default="pending")
    """`pending`, `delivered` or `abandoned`."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = _created()
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_attempt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(String(200))


class ExternalIdentity(Base):
    """A user's identity at an identity provider; a user may have several, also of one issuer."""

    __tablename__ = "external_identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[UUID] = _id()
    user_id: Mapped[UUID] = _user()
    issuer: Mapped[str] = mapped_column(String(1024))
    """The issuer of OpenID Connect, or the entity id of SAML (at most 1024 characters)."""
    subject: Mapped[str] = mapped_column(String(256))
    """The issuer's permanent id of the user: an e-mail address can pass to another person."""
    provider: Mapped[str] = mapped_column(String(32))
    """The name in our settings under which the issuer is in force."""
    created_at: Mapped[datetime] = _created()
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class OneTimeCode(Base):
    """A one-time code and link, of a registration or an invitation for example.

    It is bound to its purpose, and consumed by one conditional UPDATE.
    """

    __tablename__ = "one_time_codes"
    __table_args__ = (
        Index("ix_one_time_codes_purpose_subject_digest", "purpose", "subject_digest"),
    )

    id: Mapped[UUID] = _id()
    purpose: Mapped[str] = mapped_column(String(32))
    subject_digest: Mapped[str] = mapped_column(DIGEST)
    """Keyed digest of its subject, such as the canonical e-mail address."""
    user_id: Mapped[UUID | None] = mapped_column(Uuid, index=True)
    """Its user, if known; no foreign key, because decoys have no user."""
    token_digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    code_digest: Mapped[str | None] = mapped_column(DIGEST)
    data: Mapped[bytes] = _encrypted(crypto_labels.CODE_DATA)
    attempts: Mapped[int] = mapped_column(default=0)
    requester_digest: Mapped[str | None] = mapped_column(DIGEST, index=True)
    """Keyed digest of the token that only the client that requested the code has, if any."""
    requester_attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """Attempts by that client, counted apart: a stranger must not use them up."""
    created_at: Mapped[datetime] = _created()
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Session(Base):
    """A session of a user on one device, from login until it is ended or reaches a limit."""

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("(acr = 'aal1') = (aal2_authenticated_at IS NULL)", name="level_has_time"),
        Index(
            "ix_sessions_actor_session_id",
            "actor_session_id",
            sqlite_where=IMPERSONATIONS,
            postgresql_where=IMPERSONATIONS,
        ),
    )

    id: Mapped[UUID] = _id()
    user_id: Mapped[UUID] = _user()
    created_at: Mapped[datetime] = _created()
    authenticated_at: Mapped[datetime] = _created()
    last_seen_at: Mapped[datetime] = _created()
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
    """An ended session whose access tokens are rejected before they expire; read by all workers."""

    __tablename__ = "revocations"

    session_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
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

    id: Mapped[UUID] = _id()
    kid: Mapped[str] = mapped_column(String(64), unique=True)
    """The JWK thumbprint (RFC 7638)."""
    algorithm: Mapped[str] = mapped_column(String(8))
    private: Mapped[bytes] = _encrypted(crypto_labels.SIGNING_KEY)
    """PKCS#8 PEM."""
    created_at: Mapped[datetime] = _created()
    activated_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class OutboxMessage(Base):
    """A message to be sent, written in the transaction that causes it."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_next_attempt_at",
            "next_attempt_at",
            sqlite_where=UNSENT,
            postgresql_where=UNSENT,
        ),
        Index(
            "ix_outbox_ahead",
            *("recipient_lower", "channel", "created_at"),
            sqlite_where=UNSENT,
            postgresql_where=UNSENT,
        ),
    )

    id: Mapped[UUID] = _id()
    channel: Mapped[str] = mapped_column(String(8))
    recipient: Mapped[str] = mapped_column(String(254))
    recipient_lower: Mapped[str] = mapped_column(String(254), index=True)
    """In lower case, for the limits per recipient."""
    template: Mapped[str] = mapped_column(String(64))
    payload: Mapped[bytes] = _encrypted(crypto_labels.OUTBOX_PAYLOAD)
    created_at: Mapped[datetime] = _created()
    next_attempt_at: Mapped[datetime] = _created()
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When its code or link expires; it is not sent after that."""
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    abandoned_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class IdempotencyKey(Base):
    """The response to a request with an `Idempotency-Key` header; kept for a day.

    Its key is the keyed digest of the header's value, the route and the caller.
    """

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    body_digest: Mapped[str] = mapped_column(DIGEST)
    """Keyed with the header's value, which is not stored: a body can contain a password."""
    status: Mapped[int | None]
    response: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """Two stored keys: the body without its tokens, and its tokens, each one encrypted."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class AuditEvent(Base):
    """An audit event, written in the transaction that it describes; rows are only added.

    Users and sessions are referenced by id without a foreign key: the event outlives them.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_user_id_at", "user_id", "at"),
        Index(
            "ix_audit_events_done_to_others",
            *("actor_id", "at"),
            sqlite_where=DONE_TO_OTHERS,
            postgresql_where=DONE_TO_OTHERS,
        ),
        Index(
            "ix_audit_events_logins",
            "user_id",
            "at",
            sqlite_where=SUCCESSFUL_LOGINS,
            postgresql_where=SUCCESSFUL_LOGINS,
        ),
    )

    id: Mapped[UUID] = _id()
    at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, index=True)
    name: Mapped[str] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(8))
    user_id: Mapped[UUID | None] = mapped_column(Uuid)
    session_id: Mapped[UUID | None] = mapped_column(Uuid)
    request_id: Mapped[str] = mapped_column(String(64), index=True)
    ip_address: Mapped[str] = mapped_column(IP_ADDRESS)
    user_agent: Mapped[str] = mapped_column(String(400))
    actor_kind: Mapped[str | None] = mapped_column(String(16))
    """A kind of `Actor`, such as `user`; None in rows of versions that had no actor."""
    actor_id: Mapped[UUID | None] = mapped_column(Uuid)
    client_id: Mapped[str | None] = mapped_column(String(255))
    """The OAuth client of the token that authenticated the actor, or the id of the API key."""
    target_kind: Mapped[str | None] = mapped_column(String(32))
    """What was affected, such as `session`, where it is not the user of `user_id`."""
    target_id: Mapped[str | None] = mapped_column(String(255))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)


class Device(Base):
    """A device on which a user completed a login, by the digest of its token.

    Users who share a device share its token; each of them has a row.
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
    """Until then logins on it need no second factor."""


class FailedAttemptCounter(Base):
    """Consecutive wrong passwords for one account: from one device, one IP prefix, or in total.

    Its key is a keyed digest, computed in the same way for accounts that do not exist.
    """

    __tablename__ = "failed_attempts"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    failures: Mapped[int]
    blocked_until: Mapped[datetime] = mapped_column(UTCDateTime)
    """Until then no password is evaluated for the key."""
    last_attempt_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class CredentialStuffingCounter(Base):
    """Accounts with a recent wrong password, counted by IP prefix and by password.

    Its key is a keyed digest with a salt that changes with the time window. A row that marks an
    active alarm has the digest of the IP prefix, or of all of them.
    """

    __tablename__ = "credential_stuffing_counters"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    bitmap: Mapped[int] = mapped_column(BigInteger)
    """One of 62 bits for each account or IP prefix; several may share a bit."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class LimitCounter(Base):
    """A counter of messages to a recipient, or of a route's rate limit if there is no Redis.

    Its key is a digest.
    """

    __tablename__ = "limit_counters"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    hits: Mapped[int]
    expires_at: Mapped[float] = mapped_column(index=True)


class UsedCaptchaAnswer(Base):
    """A CAPTCHA answer that was used and must not work again. Its key is a digest."""

    __tablename__ = "used_captcha_answers"

    key: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class SmsPrefix(Base):
    """How many codes were sent by SMS to a number prefix, and how many of them were entered."""

    __tablename__ = "sms_prefixes"

    prefix: Mapped[str] = mapped_column(String(8), primary_key=True)
    sent: Mapped[int] = mapped_column(default=0)
    converted: Mapped[int] = mapped_column(default=0)
    counted_since: Mapped[datetime] = _created()
    paused_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
