"""A small proxy in front of a server: it hears a request, rewrites its head, and hands both on."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import create_connection

Headers = list[tuple[str, str]]
Rewrite = Callable[[Headers, str], Headers]
"""Takes the headers and the sender's address; returns the headers to send on."""

NAME = "x-forwarded-for"
VISITOR = "192.0.2.1"
"""Whom the proxy says it heard; whoever it was, it was this machine."""


def kept(headers: Headers, *unwanted: str) -> Headers:
    """Return the headers without those of such names."""
    return [(name, value) for name, value in headers if name.lower() not in unwanted]


def without_underscores(headers: Headers) -> Headers:
    """Drop what nginx drops by default."""
    return [(name, value) for name, value in headers if "_" not in name]


def passes_everything(headers: Headers, visitor: str) -> Headers:
    """Append, and pass names with underscores after it, as nginx does when told to."""
    chain = [value for name, value in headers if name.lower() == NAME]
    return [("X-Forwarded-For", ", ".join([*chain, visitor])), *kept(headers, NAME)]


def appends(headers: Headers, visitor: str) -> Headers:
    """Append, and drop names with underscores: nginx with $proxy_add_x_forwarded_for."""
    return passes_everything(without_underscores(headers), visitor)


def overwrites(headers: Headers, visitor: str) -> Headers:
    """Say whom it heard and nothing else: nginx with $remote_addr."""
    return [*kept(without_underscores(headers), NAME), ("X-Forwarded-For", visitor)]


def keeps(headers: Headers, visitor: str) -> Headers:
    """Believe visitors who bring the header."""
    own = [] if any(name.lower() == NAME for name, _ in headers) else [("X-Forwarded-For", visitor)]
    return [*without_underscores(headers), *own]


def reads_underscores(headers: Headers, visitor: str) -> Headers:
    """Take an underscore for a hyphen, as CGI does: the last one wins."""
    told = [value for name, value in headers if name.lower().replace("_", "-") == NAME]
    chain = told[-1] if len(told) > 1 else visitor
    return [*kept(without_underscores(headers), NAME), ("X-Forwarded-For", chain)]


@contextmanager
def forwarding(port: int, rewrite: Rewrite, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Lend the port of a proxy in front of a port of this machine."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line, *rest = iter(self.rfile.readline, b"\r\n")
            pairs = [text.decode("latin-1").rstrip().split(": ", 1) for text in rest]
            headers = rewrite([(name, value) for name, value in pairs], VISITOR)
            headers = [*kept(headers, "connection"), ("Connection", "close")]
            head = "".join(f"{name}: {value}\r\n" for name, value in headers)
            with create_connection(("127.0.0.1", port), timeout=10) as upstream:
                upstream.sendall(line + head.encode("latin-1") + b"\r\n")
                for chunk in iter(lambda: upstream.recv(65_536), b""):
                    self.wfile.write(chunk)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as proxy:
        if tls:
            proxy.socket = tls.wrap_socket(proxy.socket, server_side=True)
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        yield proxy.server_address[1]
        proxy.shutdown()
