"""A delivery worker with a short lease, for tests: run as a separate process.

`python -m tests.delivery PORT LEASE` delivers to the mail server on a port of the loopback address.
"""

from __future__ import annotations

import smtplib
import sys
from datetime import timedelta
from email.message import EmailMessage

from app import create_app
from gatehouse.messaging import outbox_queue, worker
from gatehouse.messaging.message import DeliveryFailed, Message


class PlainSmtp:
    """A minimal channel with one connection to a mail server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: smtplib.SMTP | None = None

    def send(self, message: Message) -> None:
        """Deliver a message."""
        try:
            self._connection = self._connection or smtplib.SMTP("127.0.0.1", self._port, timeout=5)
            self._connection.send_message(_compose(message))
        except (OSError, smtplib.SMTPException) as error:
            self._connection = None
            raise DeliveryFailed(type(error).__name__) from None


def _compose(message: Message) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = "gatehouse@example.com", message.recipient
    mail["Subject"], mail["Message-ID"] = message.subject, message.message_id
    mail.set_content(message.text)
    return mail


def main(port: str, lease: str) -> None:
    """Deliver until killed."""
    outbox_queue.LEASE = timedelta(seconds=float(lease))
    worker.MAX_SEND_TIME = outbox_queue.LEASE / 2
    worker.DeliveryWorker(PlainSmtp(int(port)).send).run_until_stopped(create_app())


if __name__ == "__main__":
    main(*sys.argv[1:])
