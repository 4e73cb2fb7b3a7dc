"""SMTP connection: encrypted and authenticated before use, with a deadline for every step."""

import re
import smtplib
import socket
import ssl
from dataclasses import dataclass

from gatehouse.messaging.message import DeliveryFailed
from gatehouse.messaging.mime import Mail
from gatehouse.net.deadline import Deadline, connect, resolve_host
from gatehouse.settings.mail import SmtpServer

ENHANCED_STATUS_CODE = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")
"""RFC 3463, such as 5.1.1."""
AUTHENTICATION_ERRORS = (530, 534, 535, 538)
"""RFC 4954 section 6: our login is missing or wrong, so they do not concern the recipient."""
SENDER, RECIPIENT, PASSWORD = "the sender", "the recipient", "our password"
"""Steps that a server may reject, as a reason names them."""
Reply = tuple[int, bytes]


class ReplyRejected(DeliveryFailed):
    """The server rejected a step of the conversation; `reply` has its codes, never its text."""

    def __init__(self, host: str, reply: str, step: str, permanent: bool) -> None:
        super().__init__(f"{host} replied {reply} to {step}.", permanent=permanent)
        self.reply, self.step = reply, step


@dataclass(frozen=True)
class ConnectionParameters:
    """Server, TLS trust, our own host name, and timeouts in seconds."""

    server: SmtpServer
    tls_context: ssl.SSLContext
    local_hostname: str
    connect_timeout: float
    command_timeout: float


class Connection(smtplib.SMTP):
    """An authenticated connection that delivers e-mails.

    Its methods raise OSError (for TLS ssl.SSLError), SMTPException, or DeliveryFailed.
    """

    def __init__(self, parameters: ConnectionParameters, deadline: Deadline) -> None:
        super().__init__(
            local_hostname=parameters.local_hostname, timeout=parameters.command_timeout
        )
        self.parameters, self.deadline = parameters, deadline
        self._host = parameters.server.host  # STARTTLS verifies the certificate against it
        try:
            self._handshake()
        except BaseException:
            self.close()
            raise

    def deliver(self, mail: Mail) -> None:
        """Deliver one e-mail."""
        options = ["SMTPUTF8"] if mail.is_international else []
        if options and not self.has_extn("smtputf8"):
            reason = f"{self._host} does not support non-ASCII addresses (SMTPUTF8)."
            raise DeliveryFailed(reason, permanent=True)
        self._require_success(SENDER, self.mail(mail.sender, options))
        self._require_success(RECIPIENT, self.rcpt(mail.recipient), is_about_recipient=True)
        try:
            reply = self.data(mail.content)
        except smtplib.SMTPDataError as error:
            reply = (error.smtp_code, _bytes(error.smtp_error))
        self._require_success("the message", reply, is_about_recipient=True)

    def ping(self, deadline: Deadline) -> bool:
        """Reset the connection (RSET); return whether the server still responds."""
        self.deadline = deadline
        try:
            if self.sock:
                deadline.close_on_expiry(self.sock)
            return self.rset()[0] == 250
        except OSError:  # which SMTPException is
            return False

    def _handshake(self) -> None:
        self._require_success("CONNECT", self.connect(self._host, self.parameters.server.port))
        self.ehlo_or_helo_if_needed()
        if self.parameters.server.scheme == "smtp":
            self._encrypt()
        if self.parameters.server.user:
            self._authenticate()

    def _encrypt(self) -> None:
        if not self.has_extn("starttls"):  # RFC 8314 section 3: it may have been stripped
            raise ssl.SSLError(f"{self._host} offers no STARTTLS")
        self._require_success("STARTTLS", self.starttls(context=self.parameters.tls_context))
        self.ehlo_or_helo_if_needed()

    def _authenticate(self) -> None:
        server = self.parameters.server
        try:
            self.login(server.user, server.password)
        except smtplib.SMTPAuthenticationError as error:
            self._require_success(PASSWORD, (error.smtp_code, _bytes(error.smtp_error)))

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect within the connect timeout; the socket is closed when the deadline expires."""
        connect_deadline = Deadline(min(self.parameters.connect_timeout, self.deadline.remaining))
        connection = connect(resolve_host(host, port, connect_deadline), connect_deadline)
        connection.settimeout(timeout)
        self.deadline.close_on_expiry(connection)
        if self.parameters.server.scheme != "smtps":
            return connection
        return self.parameters.tls_context.wrap_socket(connection, server_hostname=host)

    def _require_success(self, step: str, reply: Reply, is_about_recipient: bool = False) -> None:
        """Return if the reply is a success (2xx).

        The error has only the codes of the reply: its text may quote the message.
        """
        if self.deadline.has_passed:  # the reply may be incomplete
            raise TimeoutError
        code, text = reply
        if 200 <= code < 300:
            return
        found = ENHANCED_STATUS_CODE.match(text)
        status = f"{code} {found.group().decode()}" if found else str(code)
        permanent = is_about_recipient and code >= 500 and code not in AUTHENTICATION_ERRORS
        raise ReplyRejected(self._host, status, step, permanent)


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
