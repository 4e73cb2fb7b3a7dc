"""A letter to write, the message it becomes, and why that may not arrive."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID


class DeliveryFailed(Exception):
    """A channel could not hand a message over; it will be tried again."""


@dataclass(frozen=True)
class Letter:
    """What somebody shall read: the template, and the plain text of its variables."""

    recipient: str
    """An e-mail address, or a phone number in E.164."""
    template: str
    variables: dict[str, Any]
    """Moments as aware datetimes: they are written as the reader's language writes them."""
    locale: str | None = None
    """The language of the person; without one, that of the visitor who asked for the letter."""
    channel: str = "email"
    """Or `sms`."""


@dataclass(frozen=True)
class Message:
    """A rendered message; `id` stays the same over all attempts."""

    id: UUID
    recipient: str
    subject: str
    text: str
    html: str
