"""Revoke what a restored backup would revive: tokens, sessions, codes, links, waiting messages."""

from sqlalchemy import delete, update

from gatehouse.audit.administration_events import Administration
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.tokens import keys
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, OutboxMessage, Session


def revoke_restored_access(context: RequestContext) -> None:
    """End all sessions, replace the signing keys, and delete codes and waiting messages.

    The keys are replaced because the database does not know the sessions that began, or ended,
    after the backup: tokens of either would be accepted until they expire. Codes that were used
    after the backup would work again, and messages that were sent would be sent again.
    """
    keys.replace_all_keys(context)
    with write_transaction():
        ended = {"ended_at": clock.now(), "end_reason": "database_restored"}
        db.session.execute(update(Session).where(Session.ended_at.is_(None)).values(ended))
        db.session.execute(delete(OneTimeCode))
        db.session.execute(delete(OutboxMessage).where(OutboxMessage.sent_at.is_(None)))
        record(Administration.DATABASE_RESTORED, context)
