"""A small HTTP proxy that rewrites the headers of requests before it forwards them."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import create_connection

Headers = list[tuple[str, str]]
Rewrite = Callable[[Headers, str], Headers]
"""Takes the headers and the client's IP address; returns the headers to forward."""

NAME = "x-forwarded-for"
CLIENT_IP_ADDRESS = "192.0.2.1"
"""IP address that the proxy reports as the client's, instead of the loopback address."""


def without(headers: Headers, *names: str) -> Headers:
    """Return the headers except those with these names."""
    return [(name, value) for name, value in headers if name.lower() not in names]


def without_underscores(headers: Headers) -> Headers:
    """Drop names with underscores, as nginx does by default."""
    return [(name, value) for name, value in headers if "_" not in name]


def append_and_pass_underscores(headers: Headers, ip_address: str) -> Headers:
    """Append, and pass names with underscores, as nginx does when configured to."""
    chain = [value for name, value in headers if name.lower() == NAME]
    return [("X-Forwarded-For", ", ".join([*chain, ip_address])), *without(headers, NAME)]


def append(headers: Headers, ip_address: str) -> Headers:
    """Append, and drop names with underscores: nginx with $proxy_add_x_forwarded_for."""
    return append_and_pass_underscores(without_underscores(headers), ip_address)


def overwrite(headers: Headers, ip_address: str) -> Headers:
    """Send the client's IP address and nothing else: nginx with $remote_addr."""
    return [*without(without_underscores(headers), NAME), ("X-Forwarded-For", ip_address)]


def trust_clients(headers: Headers, ip_address: str) -> Headers:
    """Forward the header of clients that send it; append nothing."""
    sent = any(name.lower() == NAME for name, _ in headers)
    own = [] if sent else [("X-Forwarded-For", ip_address)]
    return [*without_underscores(headers), *own]


def read_underscores_as_hyphens(headers: Headers, ip_address: str) -> Headers:
    """Treat an underscore as a hyphen, as CGI does: the last header wins."""
    values = [value for name, value in headers if name.lower().replace("_", "-") == NAME]
    chain = values[-1] if len(values) > 1 else ip_address
    return [*without(without_underscores(headers), NAME), ("X-Forwarded-For", chain)]


@contextmanager
def run_proxy(port: int, rewrite: Rewrite, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Run a proxy in front of a port of this machine; yield its port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line, *rest = iter(self.rfile.readline, b"\r\n")
            pairs = [text.decode("latin-1").rstrip().split(": ", 1) for text in rest]
            headers = rewrite([(name, value) for name, value in pairs], CLIENT_IP_ADDRESS)
            headers = [*without(headers, "connection"), ("Connection", "close")]
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
