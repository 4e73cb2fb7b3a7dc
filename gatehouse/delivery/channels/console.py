"""Development: says in the log that there is a message; it is read at /dev/mailbox."""

from gatehouse.delivery.message import Message
from gatehouse.foundation.logs import log


class Console:
    """Writes one line for each message, without its body."""

    def send(self, message: Message) -> None:
        """Name the recipient and the subject, and where to read the rest."""
        log().info("mail", to=message.recipient, subject=message.subject, read="/dev/mailbox")


piece = Console()
