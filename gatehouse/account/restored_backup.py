"""Revoke what a restored backup would revive: tokens, sessions, keys, secrets, codes, messages."""

from sqlalchemy import delete, update

from gatehouse.audit.administration_events import Administration
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.service_accounts import keys as api_keys
from gatehouse.tokens import keys
from gatehouse.web.request_context import RequestContext
from models import OAuthClientSecret, OAuthGrant, OneTimeCode, OutboxMessage, Session


def revoke_restored_access(context: RequestContext) -> None:
    """End sessions, grants, API keys and client secrets, replace the keys, delete codes.

    Messages that wait are deleted, too.

    The keys are replaced because the database does not know the sessions that began, or ended,
    after the backup: tokens of either would be accepted until they expire. Codes that were used
    after the backup would work again, and messages that were sent would be sent again. API keys
    and client secrets that were revoked after the backup would be accepted again.
    """
    keys.replace_all_keys(context)
    with write_transaction():
        ended = {"ended_at": clock.now(), "end_reason": "database_restored"}
        for table in (Session, OAuthGrant):
            db.session.execute(update(table).where(table.ended_at.is_(None)).values(ended))
        api_keys.revoke_all_keys()
        _revoke_client_secrets()
        db.session.execute(delete(OneTimeCode))
        db.session.execute(delete(OutboxMessage).where(OutboxMessage.sent_at.is_(None)))
        record(Administration.DATABASE_RESTORED, context)


def _revoke_client_secrets() -> None:
    secrets = update(OAuthClientSecret).where(OAuthClientSecret.revoked_at.is_(None))
    db.session.execute(secrets.values(revoked_at=clock.now()))
