"""A letter to write, the message it becomes, and why that may not arrive."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


class DeliveryFailed(Exception):
    """A channel could not hand a message over; it will be tried again, unless that is in vain.

    `permanent`: this recipient will never get it, by whatever channel. `retry_after`: the seconds
    to wait at least, where somebody told them. The reason stands in logs, so it tells no secret.
    """

    def __init__(
        self, reason: str, *, permanent: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.permanent = permanent
        """Whether another attempt would fare no better, as a 5xx of SMTP says (RFC 5321 4.2.1)."""
        self.retry_after = retry_after
        """The seconds after which the other side wants to be asked again, where it said so."""


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
    good_until: datetime | None = None
    """When its code or link expires: after that it is not sent any more."""


@dataclass(frozen=True)
class Message:
    """A rendered message; `id` stays the same over all attempts."""

    id: UUID
    recipient: str
    subject: str
    text: str
    html: str
    """Empty in a text."""
    channel: str = "email"
    """Or `sms`: what kind of message it is, whatever carries it."""
    message_id: str = ""
    """`<id@host of the public URL>`, the same at every attempt (RFC 5322 section 3.6.4)."""
