"""Delete the events of the audit log that are older than they have to be kept."""

from datetime import datetime

from sqlalchemy import delete, select

from gatehouse.audit.administration_events import Administration
from gatehouse.audit.service import record
from gatehouse.database.session import advisory_lock, db
from gatehouse.web.request_context import BACKGROUND
from models import AuditEvent

BATCH_SIZE = 5000
"""Events that are deleted in one transaction."""


def purge_events(before: datetime) -> bool:
    """Delete the oldest events from before a time, in the current transaction.

    An event says how many, so that their absence is explained.

    Returns:
        Whether there may be more.
    """
    advisory_lock("audit retention")
    outdated = select(AuditEvent.id).where(AuditEvent.at < before).order_by(AuditEvent.at)
    ids = db.session.scalars(outdated.limit(BATCH_SIZE)).all()
    if ids:
        db.session.execute(delete(AuditEvent).where(AuditEvent.id.in_(ids)))
        record(Administration.AUDIT_PURGED, BACKGROUND, count=len(ids), before=before.isoformat())
    return len(ids) == BATCH_SIZE
