"""The outbox: messages are rows, written in the transaction of their reason.

Payloads are sealed, for they hold codes and links. How rows are taken and settled is in `queue`.
"""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select

import config
from gatehouse.core import clock, crypto, i18n
from gatehouse.database.session import db
from gatehouse.database.statements import run
from gatehouse.messaging import templates
from gatehouse.messaging.message import Letter, Message
from gatehouse.web.request_context import Visitor
from gatehouse.web.user_agent import device_name
from models import OutboxMessage

WRITTEN = select(func.count().label("count")).where(
    OutboxMessage.recipient_lower == bindparam("recipient"),
    OutboxMessage.created_at > bindparam("since"),
)
SOME_WRITTEN = WRITTEN.where(OutboxMessage.template.in_(bindparam("kinds", expanding=True)))


def put(letter: Letter, visitor: Visitor) -> OutboxMessage:
    """Write a message to the outbox, in the current transaction.

    Every template can also say when, from where and with what the visitor asked for it.
    """
    row = OutboxMessage(id=crypto.new_id(), channel=letter.channel, template=letter.template)
    row.recipient, row.recipient_lower = letter.recipient, letter.recipient.lower()
    row.created_at = row.due_at = clock.now()
    variables = circumstances(visitor) | letter.variables
    row.good_until = letter.good_until or variables.get("expires")
    rendered = _rendered(letter, variables, visitor)
    payload = json.dumps(rendered | {"variables": variables}, default=clock.rfc3339).encode()
    row.payload = crypto.seal(payload, _place(row.id))
    db.session.add(row)
    return row


def waste(letter: Letter, visitor: Visitor) -> None:
    """Do the work of `put` for nobody, so that its time does not tell who has an account."""
    row = put(letter, visitor)
    db.session.flush()
    db.session.delete(row)


def circumstances(visitor: Visitor) -> dict[str, Any]:
    """Return when and from where somebody asked: `asked`, `address` and `device`."""
    device = device_name(visitor.user_agent)
    return {"asked": clock.now(), "address": visitor.address, "device": device}


def _rendered(letter: Letter, variables: dict[str, Any], visitor: Visitor) -> dict[str, str]:
    spoken = i18n.choose(letter.locale, visitor.languages)
    return templates.render(letter.template, variables, spoken, config.settings().templates)


def written_since(recipient: str, since: datetime, kinds: Collection[str] = ()) -> int:
    """Count the messages to an address in whatever case, perhaps of some kinds only."""
    about = {"recipient": recipient.lower(), "since": since}
    counted = run(SOME_WRITTEN, **about, kinds=list(kinds)) if kinds else run(WRITTEN, **about)
    return int(counted[0].count)


def texted_since(since: datetime, beginnings: Collection[str], kinds: Collection[str]) -> int:
    """Count the texts of some kinds to numbers with one of these beginnings."""
    alike = or_(*(OutboxMessage.recipient_lower.like(f"{text}%") for text in beginnings))
    texts = select(func.count()).select_from(OutboxMessage).where(alike)
    texts = texts.where(OutboxMessage.template.in_(kinds), OutboxMessage.created_at > since)
    return db.session.scalar(texts) or 0


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
