"""Mail servers on this machine: a real one (aiosmtpd), and one that says what a test says."""

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

from tests.stores import free_port

logging.getLogger("mail.log").setLevel(logging.ERROR)
USER, PASSWORD = "gatehouse", "p@ss:word/42"


@dataclass
class Received:
    """What arrived: the envelope, the mail, and how it came."""

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
    """Takes mails, unless a test says otherwise."""

    answers: dict[str, str] = field(default_factory=dict)
    """What is answered instead to `MAIL`, `RCPT` or `DATA`."""
    pause: float = 0.0
    """Seconds that it thinks about a mail."""
    begun: int = 0
    """Mails that it has begun to think about."""
    received: list[Received] = field(default_factory=list)
    connections: int = 0

    async def handle_MAIL(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.answers.get("MAIL", "250 2.1.0 OK")

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if "RCPT" not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 2.1.5 OK")

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.begun += 1
        await asyncio.sleep(self.pause)
        if "DATA" in self.answers:
            return self.answers["DATA"]
        how = (session.ssl is not None, session.authenticated)
        found = (envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content)
        self.received.append(Received(*found, *how))
        return "250 2.0.0 OK"


class Server(Controller):
    """aiosmtpd that counts connections, and ends those that are open when it stops."""

    def __init__(self, *where: Any, **options: Any) -> None:
        super().__init__(*where, **options)
        self.protocols: list[SMTP] = []

    def factory(self) -> SMTP:
        """Return the protocol of one more connection."""
        self.handler.connections += 1
        self.protocols.append(super().factory())  # type: ignore[no-untyped-call] # it has no types
        return self.protocols[-1]

    def stop(self, no_assert: bool = False) -> None:
        """Hang up, and stop."""
        for protocol in self.protocols:
            if isinstance(protocol.transport, asyncio.Transport):
                self.loop.call_soon_threadsafe(protocol.transport.abort)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.05), self.loop).result()
        super().stop(no_assert)


def knows_us(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    """Tell whether somebody logged in as we do."""
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=right, handled=right)


def certificate(authority: trustme.CA, *hosts: str) -> ssl.SSLContext:
    """Return what a server shows that has these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(hosts or ("localhost",))).configure_cert(context)
    return context


@contextmanager
def serving_mail(port: int = 0, *, implicit: bool = False, **options: Any) -> Iterator[Any]:
    """Lend a running mail server: `.port`, `.handler.received`; TLS as `tls_context` says."""
    tls = {"ssl_context": options.pop("tls_context")} if implicit else {}
    options.setdefault("require_starttls", "tls_context" in options)
    if implicit:  # aiosmtpd knows TLS by STARTTLS only, and would offer no login
        options |= {"auth_require_tls": False, "auth_required": False}
    where = {"hostname": "127.0.0.1", "port": port or free_port()}
    server = Server(Handler(), **where, **tls, **options)
    server.start()
    server.handler.connections = 0  # it has called itself, to see whether it is there
    try:
        yield server
    finally:
        server.stop()


Talk = Callable[[socket.socket], None]


@contextmanager
def scripted(talk: Talk) -> Iterator[int]:
    """Lend the port of a server that treats each connection as a test says."""
    listener, open_ones = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                open_ones.append(connection)
                threading.Thread(target=converse, args=[connection], daemon=True).start()

    def converse(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        for one in [listener, *open_ones]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
