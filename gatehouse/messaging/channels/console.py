"""Channel for development: logs each message, which can be read at /dev/mailbox."""

from collections.abc import Sequence

import config
from gatehouse.core.log import logger
from gatehouse.messaging.channel import Channel
from gatehouse.messaging.message import Message


class ConsoleChannel:
    """Logs one line for each message, without its body."""

    name = "console"

    def send(self, message: Message) -> None:
        """Log recipient, subject, and where to read the message."""
        name = "E-mail" if message.channel == "email" else "SMS"
        logger().info(name, to=message.recipient, subject=message.subject, read="/dev/mailbox")


class ConsoleFactory:
    """Creates the console channel."""

    message_types = ("email", "sms")

    def create(self, settings: config.Settings) -> Sequence[Channel]:
        """Return the channel; production is an error, since it has no mailbox to read."""
        if not settings.development:
            raise ValueError("The channel console is for development only.")
        return [ConsoleChannel()]


plugin = ConsoleFactory()
