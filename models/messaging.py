"""Tables of messages to users, and of what they cost."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.core import crypto_labels
from gatehouse.database.session import Base, UTCDateTime
from models.columns import creation_time, encrypted, new_id, partial_index

UNSENT = "sent_at IS NULL AND abandoned_at IS NULL"


class OutboxMessage(Base):
    """A message to be sent, written in the transaction that causes it."""

    __tablename__ = "outbox"
    __table_args__ = (
        partial_index("ix_outbox_next_attempt_at", "next_attempt_at", where=UNSENT),
        partial_index("ix_outbox_ahead", "recipient_lower", "channel", "created_at", where=UNSENT),
    )

    id: Mapped[UUID] = new_id()
    channel: Mapped[str] = mapped_column(String(8))
    recipient: Mapped[str] = mapped_column(String(254))
    recipient_lower: Mapped[str] = mapped_column(String(254), index=True)
    """In lower case, for the limits per recipient."""
    template: Mapped[str] = mapped_column(String(64))
    payload: Mapped[bytes] = encrypted(crypto_labels.OUTBOX_PAYLOAD)
    created_at: Mapped[datetime] = creation_time()
    next_attempt_at: Mapped[datetime] = creation_time()
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When its code or link expires; it is not sent after that."""
    sent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    abandoned_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class SmsPrefix(Base):
    """How many codes were sent by SMS to a number prefix, and how many of them were entered."""

    __tablename__ = "sms_prefixes"

    prefix: Mapped[str] = mapped_column(String(8), primary_key=True)
    sent: Mapped[int] = mapped_column(default=0)
    converted: Mapped[int] = mapped_column(default=0)
    counted_since: Mapped[datetime] = creation_time()
    paused_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
