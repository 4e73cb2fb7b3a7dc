"""Mail servers: STARTTLS or TLS from the start, one connection for many mails.

What goes wrong with the server, its certificate or our password is temporary: the mail waits, or
goes to the next server. Only a refusal (5xx) of the recipient or the message is final.
"""

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.headerregistry import Address
from typing import cast
from urllib.parse import urlsplit

import config
from gatehouse.core import clock
from gatehouse.core.log import log
from gatehouse.messaging import mime
from gatehouse.messaging.channel import Channel
from gatehouse.messaging.message import DeliveryFailed, Message
from gatehouse.messaging.smtp_connection import Connection, Line
from gatehouse.net.deadline import Deadline

HUNG_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True)
class Patience:
    """Seconds: to connect, for one command, for all of a mail; how long a connection may rest."""

    connect: float = 5
    command: float = 15
    mail: float = 25
    rest: float = 20


PATIENCE = Patience()


class Smtp:
    """One mail server."""

    def __init__(self, line: Line, sender: Address, patience: Patience) -> None:
        self.name = f"smtp {line.server.host}"
        self.line, self.sender, self.patience = line, sender, patience
        self._resting: list[tuple[Connection, float]] = []
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Hand a mail over; a connection that died while it rested is replaced."""
        mail = mime.compose(message, self.sender)
        with Deadline(self.patience.mail) as deadline, self._explained(deadline):
            connection = self._connection(deadline)
            try:
                connection.hand_over(mail)
            except DeliveryFailed:
                self._let_rest(connection)  # it said no, and is ready for the next one
                raise
            except BaseException:
                connection.close()
                raise
            self._let_rest(connection)

    def close(self) -> None:
        """Close the connections that rest."""
        with self._lock:
            resting, self._resting = self._resting, []
        for connection, _ in resting:
            connection.close()

    def _connection(self, deadline: Deadline) -> Connection:
        """Return a connection that nobody else uses: a rested one that is alive, or a new one."""
        connection = self._rested()
        if connection is None:
            return Connection(self.line, deadline)
        if connection.wake(deadline):
            return connection
        connection.close()
        return Connection(self.line, deadline)

    def _rested(self) -> Connection | None:
        with self._lock:
            connection, since = self._resting.pop() if self._resting else (None, 0.0)
        if connection and clock.monotonic() - since > self.patience.rest:
            connection.close()
            return None
        return connection

    def _let_rest(self, connection: Connection) -> None:
        with self._lock:
            self._resting.append((connection, clock.monotonic()))

    @contextmanager
    def _explained(self, deadline: Deadline) -> Iterator[None]:
        """Turn whatever goes wrong into a failure that says where, and no more than its kind."""
        host = self.line.server.host
        try:
            yield
        except (OSError, UnicodeError) as problem:  # which SSLError and SMTPException are
            reason = "too slow" if deadline.is_over else type(problem).__name__
            if isinstance(problem, ssl.SSLError) and not isinstance(problem, HUNG_UP):
                log().error("A mail server is not to be trusted.", host=host, reason=str(problem))
                reason = "it is not to be trusted"
            raise DeliveryFailed(f"{host} did not take the mail ({reason}).") from None


class MailServers:
    """All servers of `SMTP_URL`."""

    carries = ("email",)

    def open(self, settings: config.Settings) -> Sequence[Channel]:
        """Return a channel for each server."""
        if not settings.smtp_url:
            raise ValueError("The channel smtp needs SMTP_URL.")
        trust = ssl.create_default_context()
        if settings.outbound_ca:
            trust.load_verify_locations(cadata=settings.outbound_ca)
        own_name = urlsplit(settings.public_url).hostname or "localhost"
        lines = [
            Line(s, trust, own_name, PATIENCE.connect, PATIENCE.command) for s in settings.smtp_url
        ]
        sender = cast(Address, settings.mail_from)  # the checks of the settings saw to it
        return [Smtp(line, sender, PATIENCE) for line in lines]


piece = MailServers()
