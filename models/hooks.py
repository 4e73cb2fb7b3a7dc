"""Tables of hooks: the operator's servers, and the events that are delivered to them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Integer, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.core import clock, crypto_labels
from gatehouse.database.session import Base, UTCDateTime
from models.columns import AUTOINCREMENT, creation_time, encrypted, new_id, partial_index

PENDING = "state = 'pending'"


class Hook(Base):
    """A server of the operator: notified of events (webhook), or asked to decide (blocking)."""

    __tablename__ = "hooks"

    id: Mapped[UUID] = new_id()
    name: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]] = mapped_column(JSON)
    secrets: Mapped[bytes] = encrypted(crypto_labels.HOOK_SECRETS)
    on_failure: Mapped[str | None] = mapped_column(String(8))
    """Of a blocking hook: `allow` or `deny` while it does not answer."""
    timeout_ms: Mapped[int | None] = mapped_column(Integer)
    enabled: Mapped[bool] = mapped_column(default=True)
    paused_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """Since when nothing is sent to a webhook, because it kept failing."""
    paused_reason: Mapped[str | None] = mapped_column(String(200))
    failing_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    """When a webhook failed for the first time since its last success."""
    created_at: Mapped[datetime] = creation_time()
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, onupdate=clock.now)
    version: Mapped[int] = mapped_column(default=1)
    """Increased by each change, so that workers notice it."""


class WebhookEvent(Base):
    """What happened, as webhooks deliver it; written in the transaction that causes it."""

    __tablename__ = "webhook_events"

    id: Mapped[UUID] = new_id()
    """The `webhook-id`, the same for all webhooks and in all attempts."""
    name: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[UUID | None] = mapped_column(Uuid, index=True)
    """Not a foreign key: `user.erased` outlives its user."""
    payload: Mapped[bytes] = encrypted(crypto_labels.WEBHOOK_PAYLOAD)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, index=True)


class WebhookDelivery(Base):
    """An event on its way to a webhook; those of one user are delivered in the order of ids."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("hook_id", "event_id"),
        partial_index(
            "ix_webhook_deliveries_due", "hook_id", "next_attempt_at", "id", where=PENDING
        ),
        partial_index("ix_webhook_deliveries_order", "hook_id", "user_id", "id", where=PENDING),
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
    next_attempt_at: Mapped[datetime] = creation_time()
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_attempt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(String(200))
