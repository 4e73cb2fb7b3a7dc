"""The outbox: messages are rows, written in the transaction that causes them.

Payloads are encrypted, since they contain codes and links. `outbox_queue` leases the rows to
workers.
"""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select

import config
from gatehouse.core import clock, crypto, crypto_labels, i18n
from gatehouse.database.session import db
from gatehouse.messaging import template_rendering
from gatehouse.messaging.message import Message, MessageRequest
from gatehouse.web.request_context import RequestContext
from gatehouse.web.user_agent import device_name
from models import OutboxMessage

COUNT_SINCE = select(func.count().label("count")).where(
    OutboxMessage.recipient_lower == bindparam("recipient"),
    OutboxMessage.created_at > bindparam("since"),
)
COUNT_SINCE_BY_TEMPLATE = COUNT_SINCE.where(
    OutboxMessage.template.in_(bindparam("template_names", expanding=True))
)


def put(message: MessageRequest, context: RequestContext) -> OutboxMessage:
    """Write a message to the outbox, in the current transaction.

    All templates also get the variables of `describe_request`.
    """
    row = OutboxMessage(id=crypto.new_id(), channel=message.channel, template=message.template)
    row.recipient, row.recipient_lower = message.recipient, message.recipient.lower()
    row.created_at = row.next_attempt_at = clock.now()
    variables = describe_request(context) | message.variables
    row.expires_at = message.expires_at or variables.get("expires")
    rendered = _render(message, variables, context)
    payload = json.dumps(rendered | {"variables": variables}, default=clock.format_rfc3339).encode()
    row.payload = crypto.encrypt(payload, _associated_data(row.id))
    db.session.add(row)
    return row


def enqueue_decoy(message: MessageRequest, context: RequestContext) -> None:
    """Do the work of `put` without a message, so that timing does not reveal whether to send one.

    Used for recipients without an account.
    """
    row = put(message, context)
    db.session.flush()
    db.session.delete(row)


def describe_request(context: RequestContext) -> dict[str, Any]:
    """Return the time, client IP address and device of a request: `asked`, `address`, `device`."""
    device = device_name(context.user_agent)
    return {"asked": clock.now(), "address": context.ip_address, "device": device}


def _render(
    message: MessageRequest, variables: dict[str, object], context: RequestContext
) -> dict[str, str]:
    locale = i18n.choose_language(message.locale, context.accept_language)
    return template_rendering.render(
        message.template, variables, locale, config.settings().templates
    )


def count_messages_since(
    recipient: str, since: datetime, template_names: Collection[str] = ()
) -> int:
    """Count the messages to a recipient (in any case), optionally of some templates only."""
    parameters: dict[str, object] = {"recipient": recipient.lower(), "since": since}
    if template_names:
        parameters["template_names"] = list(template_names)
    query = COUNT_SINCE_BY_TEMPLATE if template_names else COUNT_SINCE
    return db.session.execute(query, parameters).scalar_one()


def sms_sent_since(
    since: datetime, prefixes: Collection[str], template_names: Collection[str]
) -> int:
    """Count the SMS of some templates to numbers with one of these prefixes."""
    has_prefix = or_(*(OutboxMessage.recipient_lower.like(f"{text}%") for text in prefixes))
    sent = select(func.count()).select_from(OutboxMessage).where(has_prefix)
    sent = sent.where(OutboxMessage.template.in_(template_names), OutboxMessage.created_at > since)
    return db.session.scalar(sent) or 0


def list_messages(
    recipient: str | None = None, limit: int | None = None
) -> list[dict[str, object]]:
    """Return the messages, newest first, for the developer mailbox."""
    rows = select(OutboxMessage).order_by(OutboxMessage.created_at.desc(), OutboxMessage.id.desc())
    if recipient is not None:
        rows = rows.where(OutboxMessage.recipient_lower == recipient.lower())
    return [_serialize(row) for row in db.session.scalars(rows.limit(limit))]


def get_message(message_id: UUID) -> dict[str, object] | None:
    """Return one message for the developer mailbox."""
    row = db.session.get(OutboxMessage, message_id)
    return _serialize(row) if row else None


def load_message(row: OutboxMessage) -> Message:
    """Return the message of a row.

    Raises:
        DecryptionFailed: the payload was changed or moved to another row, or its key is gone.
        ValueError: the payload contains no message.
    """
    payload = _decrypt_payload(row)
    parts = (row.recipient, payload["subject"], payload["text"], payload["html"])
    return Message(row.id, *parts, channel=row.channel, message_id=f"<{row.id}@{_host()}>")


def is_pending() -> ColumnElement[bool]:
    """Return the SQL condition that a message was neither sent nor abandoned."""
    return and_(OutboxMessage.sent_at.is_(None), OutboxMessage.abandoned_at.is_(None))


def purge_messages(before: datetime) -> None:
    """Delete the messages created before a time, except pending ones."""
    done = or_(OutboxMessage.sent_at.is_not(None), OutboxMessage.abandoned_at.is_not(None))
    db.session.execute(delete(OutboxMessage).where(OutboxMessage.created_at < before, done))


def delete_messages_to(*recipients: str) -> None:
    """Delete all messages to e-mail addresses and numbers, sent or not."""
    lower_case = [recipient.lower() for recipient in recipients]
    matching = OutboxMessage.recipient_lower.in_(lower_case)
    db.session.execute(delete(OutboxMessage).where(matching))


def delete_all_messages() -> None:
    """Delete all messages."""
    db.session.execute(delete(OutboxMessage))


def _associated_data(message_id: UUID) -> str:
    return crypto_labels.column_data(crypto_labels.OUTBOX_PAYLOAD, message_id)


def _decrypt_payload(row: OutboxMessage) -> dict[str, Any]:
    payload: dict[str, object] = json.loads(crypto.decrypt(row.payload, _associated_data(row.id)))
    return payload


def _host() -> str:
    """Return the host of the public URL, as used in Message-ID (RFC 5322 section 3.6.4)."""
    host = urlsplit(config.settings().public_url).hostname or "localhost"
    return f"[IPv6:{host}]" if ":" in host else host


def _serialize(row: OutboxMessage) -> dict[str, object]:
    fields = {"id": row.id, "channel": row.channel, "to": row.recipient, "template": row.template}
    return fields | _decrypt_payload(row) | {"created_at": row.created_at}
