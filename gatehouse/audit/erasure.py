"""Erase personal data from the audit log; the events stay, with the user's id as a pseudonym."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, Select, or_, select, update

from gatehouse.audit.search import ORDER
from gatehouse.database.pages import Position
from gatehouse.database.session import db, write_transaction
from gatehouse.web.request_context import NO_CLIENT
from models import AuditEvent

BATCH_SIZE = 1000
"""Events that are changed in one transaction."""


def erase_personal_data(user_id: UUID) -> None:
    """Erase what identifies a person from the events of a user, in transactions of its own.

    Of events that concern the user, IP address, user agent and details are erased; of what the user
    did to others, IP address and user agent.
    """
    concerning_user = select(AuditEvent.id).where(AuditEvent.user_id == user_id)
    others = or_(AuditEvent.user_id.is_(None), AuditEvent.user_id != AuditEvent.actor_id)
    done_to_others = select(AuditEvent.id).where(AuditEvent.actor_id == user_id, others)
    _update_in_batches(concerning_user, {**NO_CLIENT, "details": {}})
    _update_in_batches(done_to_others, NO_CLIENT)


def _update_in_batches(events: Select[UUID], values: dict[str, object]) -> None:
    position: Position | None = None
    while True:
        page, position = ORDER.fetch_page(events, BATCH_SIZE, position)
        _update(page, values)
        if position is None:
            return


def _update(page: Sequence[Row[object]], values: dict[str, object]) -> None:
    ids = [row.id for row in page]
    with write_transaction():
        db.session.execute(update(AuditEvent).where(AuditEvent.id.in_(ids)).values(values))
    db.session.commit()
