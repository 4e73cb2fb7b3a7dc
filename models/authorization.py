"""Tables of what users and programs may do: roles, permissions, API keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Integer,
    String,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.database.session import Base, UTCDateTime
from models.columns import DIGEST, creation_time, new_id, partial_index


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
    created_at: Mapped[datetime] = creation_time()


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
        partial_index(
            "uq_role_assignments_in_no_organization",
            *("subject_kind", "subject_id", "role"),
            unique=True,
            where="organization_id IS NULL",
        ),
        CheckConstraint(
            "(subject_kind = 'user') = (user_id IS NOT NULL)"
            " AND (user_id IS NULL OR user_id = subject_id)",
            name="subject_of_user",
        ),
    )

    id: Mapped[UUID] = new_id()
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
    created_at: Mapped[datetime] = creation_time()
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reason: Mapped[str | None] = mapped_column(String(200))


class ServiceAccount(Base):
    """An account of a program, which authenticates with API keys."""

    __tablename__ = "service_accounts"

    id: Mapped[UUID] = new_id()
    name: Mapped[str] = mapped_column(String(64), unique=True)
    description: Mapped[str] = mapped_column(String(200))
    owner_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("users.id", ondelete="SET NULL"), index=True
    )
    """The user who is responsible for it; without an enabled one its keys are rejected."""
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = creation_time()


class ApiKey(Base):
    """An API key of a service account: the digest of it, and what it may do."""

    __tablename__ = "api_keys"

    id: Mapped[UUID] = new_id()
    service_account_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("service_accounts.id", ondelete="CASCADE"), index=True
    )
    name: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    permissions: Mapped[list[str]] = mapped_column(JSON)
    """Its scope: of these it has those that the roles of its service account grant."""
    networks: Mapped[list[str]] = mapped_column(JSON)
    """The networks that it may be used from; from anywhere if there are none."""
    created_at: Mapped[datetime] = creation_time()
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
