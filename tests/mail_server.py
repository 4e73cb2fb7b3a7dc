"""Mail servers for tests: a real one (aiosmtpd), and a scripted one."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as RFC5322
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tests.servers import free_port

logging.getLogger("mail.log").setLevel(logging.ERROR)
USER, PASSWORD = "gatehouse", "p@ss:word/42"


@dataclass
class Received:
    """A received e-mail with its SMTP sender and recipients."""

    sender: str
    recipients: list[str]
    content: bytes
    encrypted: bool
    authenticated: bool

    @property
    def mail(self) -> EmailMessage:
        """The mail, parsed."""
        mail = message_from_bytes(self.content, policy=RFC5322)
        assert isinstance(mail, EmailMessage)
        return mail


@dataclass
class Handler:
    """Accepts e-mails, unless a test sets another reply."""

    answers: dict[str, str] = field(default_factory=dict)
    """Replies by command: `MAIL`, `RCPT` or `DATA`."""
    pause: float = 0.0
    """Seconds before the reply to an e-mail."""
    begun: int = 0
    """E-mails whose reply has begun."""
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    async def handle_MAIL(  # noqa: N802
        self, _server: Any, _session: Any, transaction: Any, address: str, options: list[str]
    ) -> str:
        transaction.mail_from = address
        transaction.mail_options.extend(options)
        return self.answers.get("MAIL", "250 2.1.0 OK")

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, transaction: Any, address: str, _options: list[str]
    ) -> str:
        if "RCPT" not in self.answers:
            transaction.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 2.1.5 OK")

    async def handle_DATA(self, _server: Any, session: Any, transaction: Any) -> str:  # noqa: N802
        self.begun += 1
        await asyncio.sleep(self.pause)
        if "DATA" in self.answers:
            return self.answers["DATA"]
        security = (session.ssl is not None, session.authenticated)
        parts = (transaction.mail_from, list(transaction.rcpt_tos), transaction.original_content)
        self.received.append(Received(*parts, *security))
        return "250 2.0.0 OK"


class Server(Controller):
    """An aiosmtpd controller that counts connections, and closes them when it stops."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.protocols: list[SMTP] = []

    def factory(self) -> SMTP:
        """Return the protocol of a new connection."""
        self.handler.connections += 1
        self.protocols.append(super().factory())  # type: ignore[no-untyped-call] # it has no types
        return self.protocols[-1]

    def stop(self, no_assert: bool = False) -> None:
        """Close all connections, and stop."""
        for protocol in self.protocols:
            if isinstance(protocol.transport, asyncio.Transport):
                self.loop.call_soon_threadsafe(protocol.transport.abort)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), self.loop).result()
        super().stop(no_assert)


def check_credentials(
    _server: Any, _session: Any, _transaction: Any, _mechanism: str, data: Any
) -> AuthResult:
    """Authenticate the user USER with PASSWORD."""
    is_valid = isinstance(data, LoginPassword) and (data.login, data.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=is_valid, handled=is_valid)


def create_tls_context(authority: trustme.CA, *hosts: str) -> ssl.SSLContext:
    """Return the TLS context of a server with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(hosts or ("localhost",))).configure_cert(context)
    return context


@contextmanager
def run_mail_server(port: int = 0, *, implicit: bool = False, **options: Any) -> Iterator[Any]:
    """Run a mail server: `.port`, `.handler.received`; with TLS if there is a `tls_context`."""
    tls = {"ssl_context": options.pop("tls_context")} if implicit else {}
    options.setdefault("require_starttls", "tls_context" in options)
    if implicit:  # aiosmtpd does not see the TLS, and would offer no login
        options |= {"auth_require_tls": False, "auth_required": False}
    location = {"hostname": "127.0.0.1", "port": port or free_port()}
    server = Server(Handler(), **location, **tls, **options)
    server.start()
    server.handler.connections = 0  # the controller has connected once, to test it
    try:
        yield server
    finally:
        server.stop()


Script = Callable[[socket.socket], None]


@contextmanager
def run_scripted_server(script: Script) -> Iterator[int]:
    """Run a server that calls the script with each connection; yield its port."""
    listener, connections = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=converse, args=[connection], daemon=True).start()

    def converse(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            script(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        for opened in [listener, *connections]:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
