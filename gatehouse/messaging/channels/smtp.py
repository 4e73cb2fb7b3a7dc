"""SMTP channel: STARTTLS or implicit TLS, with a pool of reused connections.

Errors of the server, its certificate or our password are temporary: the mail waits or goes to the
next server. Only a 5xx reply to the recipient or the message is permanent.
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
from gatehouse.core.log import logger
from gatehouse.messaging import mime
from gatehouse.messaging.channel import Channel
from gatehouse.messaging.message import DeliveryFailed, Message
from gatehouse.messaging.smtp_connection import Connection, ConnectionParameters
from gatehouse.net.deadline import Deadline

CONNECTION_CLOSED_ERRORS = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True)
class Timeouts:
    """Seconds to connect, for one command, for a whole e-mail, and for an idle connection."""

    connect: float = 5
    command: float = 15
    mail: float = 25
    idle_timeout: float = 20


TIMEOUTS = Timeouts()


class SmtpChannel:
    """Delivers e-mails by one server."""

    def __init__(
        self, parameters: ConnectionParameters, sender: Address, timeouts: Timeouts
    ) -> None:
        self.name = f"smtp {parameters.server.host}"
        self.parameters, self.sender, self.timeouts = parameters, sender, timeouts
        self._idle: list[tuple[Connection, float]] = []
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Deliver an e-mail; a pooled connection that has died is replaced."""
        mail = mime.compose(message, self.sender)
        with Deadline(self.timeouts.mail) as deadline, self._translate_errors(deadline):
            connection = self._acquire_connection(deadline)
            try:
                connection.deliver(mail)
            except DeliveryFailed:
                self._return_to_pool(connection)  # the server rejected it; the connection works
                raise
            except BaseException:
                connection.close()
                raise
            self._return_to_pool(connection)

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _acquire_connection(self, deadline: Deadline) -> Connection:
        """Return a connection for exclusive use: an idle one that still works, or a new one."""
        connection = self._idle_connection()
        if connection is None:
            return Connection(self.parameters, deadline)
        if connection.ping(deadline):
            return connection
        connection.close()
        return Connection(self.parameters, deadline)

    def _idle_connection(self) -> Connection | None:
        with self._lock:
            connection, since = self._idle.pop() if self._idle else (None, 0.0)
        if connection and clock.monotonic() - since > self.timeouts.idle_timeout:
            connection.close()
            return None
        return connection

    def _return_to_pool(self, connection: Connection) -> None:
        with self._lock:
            self._idle.append((connection, clock.monotonic()))

    @contextmanager
    def _translate_errors(self, deadline: Deadline) -> Iterator[None]:
        """Convert errors into DeliveryFailed with the host and the type of the error only."""
        host = self.parameters.server.host
        try:
            yield
        except (OSError, UnicodeError) as error:  # SSLError and SMTPException are OSErrors
            reason = "timeout" if deadline.has_passed else type(error).__name__
            if isinstance(error, ssl.SSLError) and not isinstance(error, CONNECTION_CLOSED_ERRORS):
                logger().error("TLS with a mail server failed.", host=host, reason=str(error))
                reason = "TLS failed"
            raise DeliveryFailed(f"{host} did not accept the e-mail ({reason}).") from None


class SmtpFactory:
    """Creates the servers of SMTP_URL."""

    message_types = ("email",)

    def create(self, settings: config.Settings) -> Sequence[Channel]:
        """Return a channel for each server."""
        if not settings.smtp_url:
            raise ValueError("The channel smtp needs SMTP_URL.")
        tls_context = ssl.create_default_context()
        if settings.ca_bundle:
            tls_context.load_verify_locations(cadata=settings.ca_bundle)
        hostname = urlsplit(settings.public_url).hostname or "localhost"
        servers = [
            ConnectionParameters(server, tls_context, hostname, TIMEOUTS.connect, TIMEOUTS.command)
            for server in settings.smtp_url
        ]
        sender = cast(Address, settings.mail_from)  # required with SMTP_URL, see settings.checks
        return [SmtpChannel(server, sender, TIMEOUTS) for server in servers]


plugin = SmtpFactory()
