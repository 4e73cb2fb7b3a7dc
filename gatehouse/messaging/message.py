"""Messages: the request to send one, the rendered message, and the error of a failed delivery."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


class DeliveryFailed(Exception):
    """A channel could not deliver a message; it is retried unless the failure is permanent.

    The reason is logged, so it must not contain secrets.
    """

    def __init__(
        self, reason: str, *, permanent: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.permanent = permanent
        """Whether no channel can ever deliver it, such as after SMTP 5xx (RFC 5321 4.2.1)."""
        self.retry_after = retry_after
        """Seconds to wait before the next attempt, if the server or gateway named them."""


@dataclass(frozen=True)
class MessageRequest:
    """A message to send: recipient, template and the variables of the template (plain text)."""

    recipient: str
    """An e-mail address, or a phone number in E.164."""
    template: str
    variables: dict[str, Any]
    """Datetimes are timezone-aware; they are formatted in the recipient's language."""
    locale: str | None = None
    """The recipient's language; by default the one of the request (Accept-Language)."""
    channel: str = "email"
    """`email` or `sms`."""
    expires_at: datetime | None = None
    """When its code or link expires; it is not sent after that."""


@dataclass(frozen=True)
class Message:
    """A rendered message; `id` is the same in all attempts."""

    id: UUID
    recipient: str
    subject: str
    text: str
    html: str
    """Empty for an SMS."""
    channel: str = "email"
    """`email` or `sms`: the type of message, not the plugin that delivers it."""
    message_id: str = ""
    """`<id@host of the public URL>`, the same in all attempts (RFC 5322 section 3.6.4)."""
