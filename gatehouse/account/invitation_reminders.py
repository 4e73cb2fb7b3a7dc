"""Remind who was invited, a day before the invitation ends (ASVS 6.4.5)."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from gatehouse.account.invitation import INVITATION_LINK, InvitationData
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto
from gatehouse.database.session import db
from gatehouse.messaging import outbox
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.users import service as users
from gatehouse.web.request_context import BACKGROUND
from models import OneTimeCode

TEMPLATE = "invitation_reminder"
BEFORE = timedelta(days=1)


def remind_due() -> None:
    """Send each reminder once, in the current transaction, with the note that it was sent.

    There is none for an invitation that lasts no longer than two days. The link is stored as a
    digest only, so that the message names the e-mail that has it.
    """
    now = clock.now()
    due = select(OneTimeCode).where(
        OneTimeCode.purpose == INVITATION_LINK.purpose,
        OneTimeCode.used_at.is_(None),
        OneTimeCode.expires_at.between(now, now + BEFORE),
    )
    due = due.order_by(OneTimeCode.id).with_for_update(skip_locked=True)
    for row in db.session.scalars(due).all():
        if row.expires_at - row.created_at > 2 * BEFORE:
            with suppress(crypto.DecryptionFailed):  # its key is not configured any more
                _remind(row, one_time_codes.load_data(row, InvitationData))


def _remind(row: OneTimeCode, data: InvitationData) -> None:
    if data.is_reminded:
        return
    one_time_codes.change_data(row, replace(data, is_reminded=True).to_json())
    user = users.get_user(row.user_id) if row.user_id else None
    variables = {"invited": row.created_at, "expires": row.expires_at}
    message = MessageRequest(data.email, TEMPLATE, variables, user.locale if user else None)
    outbox.put(message, BACKGROUND)
    record(events.Invitation.REMINDED, BACKGROUND, user_id=row.user_id)
