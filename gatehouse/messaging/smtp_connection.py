"""A connection to a mail server: encrypted and logged in before it is used, and never for ever."""

import re
import smtplib
import socket
import ssl
from dataclasses import dataclass

from gatehouse.messaging.message import DeliveryFailed
from gatehouse.messaging.mime import Mail
from gatehouse.net.deadline import Deadline, connected, resolved
from gatehouse.settings.mail import MailServer

ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")
"""RFC 3463: the status that says more than three digits, such as 5.1.1."""
OURS = (530, 534, 535, 538)
"""RFC 4954 section 6: we have to log in, or differently; that is nobody's fault but ours."""
Reply = tuple[int, bytes]


@dataclass(frozen=True)
class Line:
    """A server, whom to trust there, what we call ourselves, and seconds to wait there."""

    server: MailServer
    trust: ssl.SSLContext
    own_name: str
    connecting: float
    answering: float


class Connection(smtplib.SMTP):
    """A connection that is ready to take mails.

    What fails is an OSError (of TLS, ssl.SSLError), an SMTPException, or DeliveryFailed.
    """

    def __init__(self, line: Line, deadline: Deadline) -> None:
        super().__init__(local_hostname=line.own_name, timeout=line.answering)
        self.line, self.deadline = line, deadline
        self._host = line.server.host  # what STARTTLS compares the certificate with
        try:
            self._make_ready()
        except BaseException:
            self.close()
            raise

    def hand_over(self, mail: Mail) -> None:
        """Hand over one mail."""
        options = ["SMTPUTF8"] if mail.is_international else []
        if options and not self.has_extn("smtputf8"):
            reason = f"{self._host} takes no address beyond ASCII."
            raise DeliveryFailed(reason, permanent=True)
        self._expect("the sender", self.mail(mail.sender, options))
        self._expect("the recipient", self.rcpt(mail.recipient), is_about_recipient=True)
        try:
            reply = self.data(mail.content)
        except smtplib.SMTPDataError as refused:
            reply = (refused.smtp_code, _bytes(refused.smtp_error))
        self._expect("the message", reply, is_about_recipient=True)

    def wake(self, deadline: Deadline) -> bool:
        """Tell whether the server still answers; it forgets whatever was left over."""
        self.deadline = deadline
        try:
            if self.sock:
                deadline.watch(self.sock)
            return self.rset()[0] == 250
        except OSError:  # which SMTPException is
            return False

    def _make_ready(self) -> None:
        self._expect("our call", self.connect(self._host, self.line.server.port))
        self.ehlo_or_helo_if_needed()
        if self.line.server.scheme == "smtp":
            self._encrypt()
        if self.line.server.user:
            self._log_in()

    def _encrypt(self) -> None:
        if not self.has_extn("starttls"):  # RFC 8314 section 3: somebody may have taken it away
            raise ssl.SSLError(f"{self._host} offers no STARTTLS")
        self._expect("STARTTLS", self.starttls(context=self.line.trust))
        self.ehlo_or_helo_if_needed()

    def _log_in(self) -> None:
        server = self.line.server
        try:
            self.login(server.user, server.password)
        except smtplib.SMTPAuthenticationError as refused:
            self._expect("our password", (refused.smtp_code, _bytes(refused.smtp_error)))

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect, and have the connection shut when the time is over."""
        soon = Deadline(min(self.line.connecting, self.deadline.left))
        connection = connected(resolved(host, port, soon), soon)
        connection.settimeout(timeout)
        self.deadline.watch(connection)
        if self.line.server.scheme != "smtps":
            return connection
        return self.line.trust.wrap_socket(connection, server_hostname=host)

    def _expect(self, about: str, reply: Reply, is_about_recipient: bool = False) -> None:
        """Go on if the server agreed.

        The text of a refusal is not told: it may quote the message. Its codes say enough.
        """
        if self.deadline.is_over:  # then the reply may be the half of one
            raise TimeoutError
        code, said = reply
        if 200 <= code < 300:
            return
        found = ENHANCED.match(said)
        status = f"{code} {found.group().decode()}" if found else str(code)
        permanent = is_about_recipient and code >= 500 and code not in OURS
        raise DeliveryFailed(f"{self._host} said {status} to {about}.", permanent=permanent)


def _bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode()
