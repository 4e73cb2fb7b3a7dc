"""Tables of users: the account, its profile, and how the user is known elsewhere."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.core import clock
from gatehouse.database.session import Base, UTCDateTime
from models.columns import creation_time, new_id, owner, partial_index


def _profile(length: int) -> Mapped[str | None]:
    return mapped_column(String(length), info={"profile_length": length})


def _prefix_index(column: str) -> Index:
    """Return an index that finds the beginning of a string, whatever the database's collation."""
    return Index(f"ix_users_{column}_prefix", column, postgresql_ops={column: "text_pattern_ops"})


class User(Base):
    """A user account, created when its e-mail address is verified (before: see OneTimeCode)."""

    __tablename__ = "users"
    __table_args__ = (
        partial_index(
            "uq_users_proven_phone", "phone", unique=True, where="phone_verified_at IS NOT NULL"
        ),
        Index("ix_users_phone", "phone"),
        _prefix_index("email_canonical"),
        _prefix_index("username_canonical"),
        Index("ix_users_created_at_id", "created_at", "id"),
        partial_index("ix_users_disabled", "created_at", "id", where="disabled_at IS NOT NULL"),
        partial_index("ix_users_deleted", "created_at", "id", where="deleted_at IS NOT NULL"),
        partial_index("ix_users_unverified", "created_at", "id", where="email_verified_at IS NULL"),
    )

    id: Mapped[UUID] = new_id()
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
    attributes: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
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
    created_at: Mapped[datetime] = creation_time()
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
    definition: Mapped[dict[str, object]] = mapped_column(JSON)
    claims_size: Mapped[int] = mapped_column(default=0, server_default="0")
    """Bytes in every access token that are kept free for claims; 0 if no attribute is one."""
    changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class ExternalIdentity(Base):
    """A user's identity at an identity provider; a user may have several, also of one issuer."""

    __tablename__ = "external_identities"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)

    id: Mapped[UUID] = new_id()
    user_id: Mapped[UUID] = owner()
    issuer: Mapped[str] = mapped_column(String(1024))
    """The issuer of OpenID Connect, or the entity id of SAML (at most 1024 characters)."""
    subject: Mapped[str] = mapped_column(String(256))
    """The issuer's permanent id of the user: an e-mail address can pass to another person."""
    provider: Mapped[str] = mapped_column(String(32))
    """The name in our settings under which the issuer is in force."""
    created_at: Mapped[datetime] = creation_time()
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
