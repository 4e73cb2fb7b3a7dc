"""A message on its way, and why it may not arrive."""

from dataclasses import dataclass
from uuid import UUID


class DeliveryFailed(Exception):
    """A channel could not hand a message over; it will be tried again."""


@dataclass(frozen=True)
class Message:
    """A rendered message; `id` stays the same over all attempts."""

    id: UUID
    recipient: str
    subject: str
    text: str
    html: str
