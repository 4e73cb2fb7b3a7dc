"""The outbox: messages are rows, written in the transaction of their reason.

Payloads are sealed, for they hold codes and links. How rows are taken and settled is in `queue`.
"""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select

import config
from gatehouse.delivery import templates
from gatehouse.delivery.message import Letter, Message
from gatehouse.foundation import clock, crypto
from gatehouse.foundation.database import db
from gatehouse.foundation.device import device_name
from gatehouse.foundation.visitor import Visitor
from models import OutboxMessage


def put(letter: Letter, visitor: Visitor) -> None:
    """Write a message to the outbox, in the current transaction.

    Every template can also say when, from where and with what the visitor asked for it.
    """
    row = OutboxMessage(id=crypto.new_id(), channel=letter.channel, template=letter.template)
    row.recipient, row.recipient_lower = letter.recipient, letter.recipient.lower()
    row.created_at = row.due_at = clock.now()
    row.good_until = letter.good_until
    variables = circumstances(visitor) | letter.variables
    rendered = templates.render(letter.template, variables)
    payload = json.dumps(rendered | {"variables": variables}).encode()
    row.payload = crypto.seal(payload, _place(row.id))
    db.session.add(row)


def circumstances(visitor: Visitor) -> dict[str, str]:
    """Return when and from where somebody asked: `asked`, `address` and `device`."""
    asked = f"{clock.now():%d %B %Y, %H:%M} UTC"
    device = device_name(visitor.user_agent)
    return {"asked": asked, "address": visitor.address, "device": device}


def written_since(recipient: str, since: datetime) -> int:
    """Count the messages to an address in whatever case, whatever became of them."""
    mails = select(func.count()).select_from(OutboxMessage)
    mails = mails.where(OutboxMessage.recipient_lower == recipient.lower())
    return db.session.scalar(mails.where(OutboxMessage.created_at > since)) or 0


def read(to: str | None = None) -> list[dict[str, Any]]:
    """Return what was written, newest first, for the developer's mailbox."""
    rows = select(OutboxMessage).order_by(OutboxMessage.created_at.desc(), OutboxMessage.id.desc())
    if to is not None:
        rows = rows.where(OutboxMessage.recipient_lower == to.lower())
    return [_shown(row) for row in db.session.scalars(rows)]


def opened(row: OutboxMessage) -> Message:
    """Return the message of a row.

    Raises:
        SealBroken: the payload was changed or moved, or its key is gone.
        ValueError: the payload holds no message.
    """
    payload = _open(row)
    parts = (row.recipient, payload["subject"], payload["text"], payload["html"])
    return Message(row.id, *parts, channel=row.channel, message_id=f"<{row.id}@{_host()}>")


def waits() -> ColumnElement[bool]:
    """The condition that a message was neither sent nor given up."""
    return and_(OutboxMessage.sent_at.is_(None), OutboxMessage.given_up_at.is_(None))


def purge(before: datetime) -> None:
    """Delete the messages that were written before a moment, unless they still wait."""
    done = or_(OutboxMessage.sent_at.is_not(None), OutboxMessage.given_up_at.is_not(None))
    db.session.execute(delete(OutboxMessage).where(OutboxMessage.created_at < before, done))


def clear() -> None:
    """Forget all messages."""
    db.session.execute(delete(OutboxMessage))


def _place(message_id: UUID) -> str:
    return f"outbox.payload:{message_id}"


def _open(row: OutboxMessage) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(crypto.unseal(row.payload, _place(row.id)))
    return payload


def _host() -> str:
    """Return the host of the public URL as a mail's header has it (RFC 5322 section 3.6.4)."""
    host = urlsplit(config.settings().public_url).hostname or "localhost"
    return f"[IPv6:{host}]" if ":" in host else host


def _shown(row: OutboxMessage) -> dict[str, Any]:
    about = {"id": row.id, "channel": row.channel, "to": row.recipient, "template": row.template}
    return about | _open(row) | {"created_at": row.created_at}
