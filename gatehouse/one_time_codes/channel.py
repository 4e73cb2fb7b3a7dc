"""The contract of the channels that send codes, and the channels: one plugin each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gatehouse.core import plugins
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.service import CodeFormat, Secrets
from gatehouse.web.request_context import RequestContext

PACKAGE = "gatehouse.one_time_codes.channels"
EMAIL, PHONE = "email", "phone"
"""The kinds of identifiers that channels send to."""


@dataclass(frozen=True)
class Recipient:
    """The recipient of a code."""

    channel: str
    """The name of the channel's plugin: `email` or `sms`."""
    as_written: str
    canonical: str
    locale: str | None = None
    """By default the language of the request."""


class CodeChannel(Protocol):
    """A way to send codes. Its name in stored data and in the outbox is its module's name."""

    identifier: str
    """What it sends to: `EMAIL` or `PHONE`."""
    form_field: str
    """The member of a request that names the recipient, such as `email`."""

    amr: str
    """The value of `amr` for a login with its codes; channels to one number share it."""

    def template(self, code_type: CodeType) -> str:
        """Return the template of the message."""
        ...

    def code_format(self, code_type: CodeType) -> CodeFormat:
        """Return the length and the lifetime of a code."""
        ...

    def build_variables(
        self, code_type: CodeType, secrets: Secrets, expires_at: datetime
    ) -> dict[str, object]:
        """Return the variables of the template."""
        ...

    def enqueue(self, message: MessageRequest, context: RequestContext) -> bool:
        """Write the message to the outbox, in the current transaction; return whether it was."""
        ...

    def enqueue_decoy(self, message: MessageRequest, context: RequestContext) -> None:
        """Do the work of `enqueue` without a message."""
        ...

    def record_conversion(self, recipient: str) -> None:
        """Record that a code was entered, in the current transaction."""
        ...


CHANNELS: dict[str, CodeChannel] = plugins.load(PACKAGE, plugins.list_names(PACKAGE))
