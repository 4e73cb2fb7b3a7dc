"""Tables of what a user authenticates with: passwords, factors, one-time codes, devices."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.core import crypto_labels
from gatehouse.database.session import Base, UTCDateTime
from models.columns import DIGEST, creation_time, encrypted, new_id, owner


class Password(Base):
    """The password of a user: its hash with parameters, and the name of the pepper key."""

    __tablename__ = "passwords"

    user_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    hash: Mapped[str] = mapped_column(String(255))
    pepper: Mapped[str] = mapped_column(String(16))
    changed_at: Mapped[datetime] = creation_time()
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

    id: Mapped[UUID] = new_id()
    user_id: Mapped[UUID] = owner()
    kind: Mapped[str] = mapped_column(String(32))
    lookup: Mapped[str | None] = mapped_column(DIGEST)
    """Digest that finds the credential when the user is not known yet, as with a passkey."""
    label: Mapped[str] = mapped_column(String(64))
    data: Mapped[bytes] = encrypted(crypto_labels.CREDENTIAL_DATA)
    counter: Mapped[int] = mapped_column(BigInteger, default=0)
    """Only increases: the last accepted TOTP time step, or the signature count of a passkey."""
    created_at: Mapped[datetime] = creation_time()
    confirmed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When its enrolment was completed; it cannot be used before."""
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class OneTimeCode(Base):
    """A one-time code and link, of a registration or an invitation for example.

    It is bound to its purpose, and consumed by one conditional UPDATE.
    """

    __tablename__ = "one_time_codes"
    __table_args__ = (
        Index("ix_one_time_codes_purpose_subject_digest", "purpose", "subject_digest"),
    )

    id: Mapped[UUID] = new_id()
    purpose: Mapped[str] = mapped_column(String(32))
    subject_digest: Mapped[str] = mapped_column(DIGEST)
    """Keyed digest of its subject, such as the canonical e-mail address."""
    user_id: Mapped[UUID | None] = mapped_column(Uuid, index=True)
    """Its user, if known; no foreign key, because decoys have no user."""
    token_digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    code_digest: Mapped[str | None] = mapped_column(DIGEST)
    data: Mapped[bytes] = encrypted(crypto_labels.CODE_DATA)
    attempts: Mapped[int] = mapped_column(default=0)
    requester_digest: Mapped[str | None] = mapped_column(DIGEST, index=True)
    """Keyed digest of the token that only the client that requested the code has, if any."""
    requester_attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """Attempts by that client, counted apart: a stranger must not use them up."""
    created_at: Mapped[datetime] = creation_time()
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Device(Base):
    """A device on which a user completed a login, by the digest of its token.

    Users who share a device share its token; each of them has a row.
    """

    __tablename__ = "devices"
    __table_args__ = (UniqueConstraint("user_id", "digest"),)

    id: Mapped[UUID] = new_id()
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(DIGEST)
    user_agent: Mapped[str] = mapped_column(String(400))
    created_at: Mapped[datetime] = creation_time()
    last_used_at: Mapped[datetime] = creation_time()
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    remembered_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """Until then logins on it need no second factor."""
