"""Development: says in the log that there is a message; it is read at /dev/mailbox."""

from collections.abc import Sequence

import config
from gatehouse.core.log import log
from gatehouse.messaging.channel import Channel
from gatehouse.messaging.message import Message


class Console:
    """Writes one line for each message, without its body."""

    name = "console"

    def send(self, message: Message) -> None:
        """Name the recipient and the subject, and where to read the rest."""
        kind = "mail" if message.channel == "email" else "text"
        log().info(kind, to=message.recipient, subject=message.subject, read="/dev/mailbox")


class Consoles:
    """The log of this process."""

    carries = ("email", "sms")

    def open(self, settings: config.Settings) -> Sequence[Channel]:
        """Return the one console; production has no mailbox, so nobody would read there."""
        if not settings.development:
            raise ValueError("The channel console is for development only.")
        return [Console()]


piece = Consoles()
