"""The outbox: messages are rows, written in the transaction of their reason.

Payloads are sealed, for they hold codes and links.
"""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select

import config
from gatehouse.delivery import templates
from gatehouse.delivery.message import Letter, Message
from gatehouse.foundation import clock, crypto, languages
from gatehouse.foundation.database import db
from gatehouse.foundation.device import device_name
from gatehouse.foundation.logs import log
from gatehouse.foundation.visitor import Visitor
from models import OutboxMessage

LONGEST_WAIT = 3600  # seconds


def put(letter: Letter, visitor: Visitor) -> None:
    """Write a message to the outbox, in the current transaction.

    Every template can also say when, from where and with what the visitor asked for it.
    """
    row = OutboxMessage(id=crypto.new_id(), channel=letter.channel, template=letter.template)
    row.recipient, row.recipient_lower = letter.recipient, letter.recipient.lower()
    variables = circumstances(visitor) | letter.variables
    rendered = _rendered(letter, variables, visitor)
    payload = json.dumps(rendered | {"variables": variables}, default=clock.rfc3339).encode()
    row.payload = crypto.seal(payload, _place(row.id))
    db.session.add(row)


def circumstances(visitor: Visitor) -> dict[str, Any]:
    """Return when and from where somebody asked: `asked`, `address` and `device`."""
    device = device_name(visitor.user_agent)
    return {"asked": clock.now(), "address": visitor.address, "device": device}


def _rendered(letter: Letter, variables: dict[str, Any], visitor: Visitor) -> dict[str, str]:
    spoken = languages.choose(letter.locale, visitor.languages)
    return templates.render(letter.template, variables, spoken, config.settings().templates)


def written_since(recipient: str, since: datetime) -> int:
    """Count the messages to an address in whatever case, whatever became of them."""
    mails = select(func.count()).select_from(OutboxMessage)
    mails = mails.where(OutboxMessage.recipient_lower == recipient.lower())
    return db.session.scalar(mails.where(OutboxMessage.created_at > since)) or 0


def read(to: str | None = None, most: int | None = None) -> list[dict[str, Any]]:
    """Return what was written, newest first, for the developer's mailbox."""
    rows = select(OutboxMessage).order_by(OutboxMessage.created_at.desc(), OutboxMessage.id.desc())
    if to is not None:
        rows = rows.where(OutboxMessage.recipient_lower == to.lower())
    return [_shown(row) for row in db.session.scalars(rows.limit(most))]


def one(message_id: UUID) -> dict[str, Any] | None:
    """Return one message for the developer's mailbox."""
    row = db.session.get(OutboxMessage, message_id)
    return _shown(row) if row else None


def purge(before: datetime) -> None:
    """Delete the messages that were written before a moment."""
    db.session.execute(delete(OutboxMessage).where(OutboxMessage.created_at < before))


def clear() -> None:
    """Forget all messages."""
    db.session.execute(delete(OutboxMessage))


def claim(lease: timedelta, most: int) -> list[Message]:
    """Take unsent messages that are due, so that no other worker has them before the lease ends."""
    now = clock.now()
    due = (
        select(OutboxMessage)
        .where(OutboxMessage.sent_at.is_(None), OutboxMessage.due_at <= now)
        .where((OutboxMessage.leased_until.is_(None)) | (OutboxMessage.leased_until < now))
        .order_by(OutboxMessage.due_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    rows = db.session.scalars(due).all()
    for row in rows:
        row.leased_until, row.attempts = now + lease, row.attempts + 1
    return [message for row in rows if (message := _message(row))]


def waiting() -> bool:
    """Tell whether a message is due, without taking any lock."""
    due = select(OutboxMessage.id).where(
        OutboxMessage.sent_at.is_(None), OutboxMessage.due_at <= clock.now()
    )
    return db.session.scalar(due.limit(1)) is not None


def mark_sent(message_id: UUID) -> None:
    """Note that a message was handed over."""
    if row := db.session.get(OutboxMessage, message_id):
        row.sent_at, row.leased_until = clock.now(), None


def mark_failed(message_id: UUID) -> None:
    """Let a message wait, each time twice as long, an hour at most."""
    if row := db.session.get(OutboxMessage, message_id):
        _postpone(row)


def _postpone(row: OutboxMessage) -> None:
    row.due_at = clock.now() + timedelta(seconds=min(2**row.attempts, LONGEST_WAIT))
    row.leased_until = None


def _place(message_id: UUID) -> str:
    return f"outbox.payload:{message_id}"


def _open(row: OutboxMessage) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(crypto.unseal(row.payload, _place(row.id)))
    return payload


def _message(row: OutboxMessage) -> Message | None:
    """Open a message; one that does not open waits, and stops no other."""
    try:
        payload = _open(row)
    except crypto.SealBroken as problem:
        log().error("A message cannot be opened.", message=str(row.id), reason=str(problem))
        _postpone(row)
        return None
    return Message(row.id, row.recipient, payload["subject"], payload["text"], payload["html"])


def _shown(row: OutboxMessage) -> dict[str, Any]:
    about = {"id": row.id, "channel": row.channel, "to": row.recipient, "template": row.template}
    return about | _open(row) | {"created_at": row.created_at}
