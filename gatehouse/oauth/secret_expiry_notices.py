"""Notify administrators of client secrets that expire soon: two weeks and three days before."""

from datetime import timedelta

from sqlalchemy import ColumnElement, or_, select

from gatehouse.audit.oauth_events import Clients
from gatehouse.audit.service import record
from gatehouse.authorization import administrators, delegation
from gatehouse.authorization.permissions import CLIENTS_MANAGE
from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.messaging import outbox
from gatehouse.messaging.message import MessageRequest
from gatehouse.oauth.client_secrets import DAYS_ANNOUNCED_BEFORE, is_live
from gatehouse.web.request_context import BACKGROUND
from models import OAuthClient, OAuthClientSecret, User

TEMPLATE = "notice_client_secret_expires"
BATCH_SIZE = 100


def announce_due() -> None:
    """Notify those who manage clients, once for each time, in the current transaction.

    The messages and the note that they were sent are written together, under the lock of
    administration, so that no other worker sends them, too. What is not announced is that a secret
    ends because it was rotated: its successor is there.
    """
    delegation.lock_administration()
    holders = administrators.list_holders(CLIENTS_MANAGE)
    for days in DAYS_ANNOUNCED_BEFORE:
        due = select(OAuthClientSecret, OAuthClient).where(*_is_due(days))
        due = due.join(OAuthClient, OAuthClient.id == OAuthClientSecret.client_id)
        due = due.order_by(OAuthClientSecret.expires_at).limit(BATCH_SIZE)
        for row in db.session.execute(due).all():
            _announce(row.OAuthClientSecret, row.OAuthClient, holders, days)


def _is_due(days: int) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of a secret to announce so many days before its end."""
    announced = OAuthClientSecret.days_announced
    is_new = or_(announced.is_(None), announced > days)
    ends_soon = OAuthClientSecret.expires_at <= clock.now() + timedelta(days=days)
    return is_live(), OAuthClient.enabled.is_(True), is_new, ends_soon


def _announce(
    secret: OAuthClientSecret, client: OAuthClient, holders: list[User], days: int
) -> None:
    secret.days_announced = days
    variables = {"client": client.name, "client_id": client.id, "when": secret.expires_at}
    for holder in holders:
        request = MessageRequest(holder.email, TEMPLATE, variables, holder.locale)
        outbox.put(request, BACKGROUND)
    record(
        Clients.SECRET_EXPIRY_ANNOUNCED,
        BACKGROUND,
        client=client.id,
        secret_id=str(secret.id),
        days=days,
    )
