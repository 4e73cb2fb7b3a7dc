"""The table of the audit log."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.core import clock
from gatehouse.database.session import Base, UTCDateTime
from models.columns import IP_ADDRESS, new_id, partial_index

SUCCESSFUL_LOGINS = "name = 'login.succeeded'"
"""The condition of the partial index that finds a user's recent logins among other events."""
DONE_TO_OTHERS = "actor_id IS NOT NULL AND (user_id IS NULL OR user_id != actor_id)"
"""The condition of the partial index that finds the few events whose actor is not their user."""


class AuditEvent(Base):
    """An audit event, written in the transaction that it describes; rows are only added.

    Users and sessions are referenced by id without a foreign key: the event outlives them.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index("ix_audit_events_user_id_at", "user_id", "at"),
        partial_index("ix_audit_events_done_to_others", "actor_id", "at", where=DONE_TO_OTHERS),
        partial_index("ix_audit_events_logins", "user_id", "at", where=SUCCESSFUL_LOGINS),
    )

    id: Mapped[UUID] = new_id()
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
