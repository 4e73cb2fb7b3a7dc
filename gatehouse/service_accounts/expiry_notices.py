"""Notify the owners of API keys that expire soon: two weeks before, and three days before."""

from datetime import timedelta

from sqlalchemy import ColumnElement, or_, select

from gatehouse.audit.administration_events import ServiceAccounts
from gatehouse.audit.service import record
from gatehouse.authorization import delegation
from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.messaging import outbox
from gatehouse.messaging.message import MessageRequest
from gatehouse.service_accounts.keys import DAYS_ANNOUNCED_BEFORE, is_active
from gatehouse.web.request_context import BACKGROUND
from models import ApiKey, ServiceAccount, User

TEMPLATE = "notice_api_key_expires"
BATCH_SIZE = 100


def announce_due() -> None:
    """Notify the owners of keys that expire soon, once for each time, in the current transaction.

    The message and the note that it was sent are written together, under the lock of
    administration, so that no other worker sends it, too.
    """
    delegation.lock_administration()
    for days in DAYS_ANNOUNCED_BEFORE:
        due = select(ApiKey, ServiceAccount, User).where(*_is_due(days))
        due = due.join(ServiceAccount, ServiceAccount.id == ApiKey.service_account_id)
        due = due.join(User, User.id == ServiceAccount.owner_id).where(User.disabled_at.is_(None))
        due = due.order_by(ApiKey.expires_at).limit(BATCH_SIZE)
        for row in db.session.execute(due).all():
            _announce(row.ApiKey, row.ServiceAccount, row.User, days)


def _is_due(days: int) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a key to announce so many days before its end.

    A key that has been replaced is not announced.
    """
    is_new = or_(ApiKey.days_announced.is_(None), ApiKey.days_announced > days)
    ends_soon = ApiKey.expires_at <= clock.now() + timedelta(days=days)
    return is_active(), is_new, ends_soon, ApiKey.successor_id.is_(None)


def _announce(key: ApiKey, account: ServiceAccount, owner: User, days: int) -> None:
    key.days_announced = days
    variables = {"key": key.name, "service_account": account.name, "when": key.expires_at}
    outbox.put(MessageRequest(owner.email, TEMPLATE, variables, owner.locale), BACKGROUND)
    key_id, account_id = str(key.id), str(account.id)
    record(
        ServiceAccounts.EXPIRY_ANNOUNCED,
        BACKGROUND,
        user_id=owner.id,
        api_key_id=key_id,
        service_account_id=account_id,
        days=days,
    )
