"""An HTTP server on a loopback address that sends the responses that a test defines."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

Responder = Callable[[str], Iterable[bytes]]
"""Returns the chunks of the response to a request, given the request's head."""


class LoopbackServer:
    """Handles one request per connection, each in a thread; counts connections and requests."""

    def __init__(
        self, responder: Responder, host: str, port: int, tls: ssl.SSLContext | None
    ) -> None:
        self.connections = 0
        self.requests: list[str] = []
        self._responder, self._tls = responder, tls
        self._stopped = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Accept no more connections, and end the open ones."""
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it was stopped
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._handle, args=[connection], daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client has disconnected
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                head = _read_head(connection)
                self.requests.append(head)
                for chunk in self._responder(head):
                    if self._stopped.is_set():
                        return
                    connection.sendall(chunk)


@contextmanager
def loopback_server(
    responder: Responder, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[LoopbackServer]:
    """Yield a running server."""
    server = LoopbackServer(responder, host, port, tls)
    try:
        yield server
    finally:
        server.stop()


def http_response(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return a response; in the names of headers `_` stands for `-`."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines])
    return f"{head}\r\n\r\n".encode() + body


OK = http_response(b"ok", X_Kind="good")


def respond_with(*chunks: bytes) -> Responder:
    """Return a responder that sends the same response to all requests."""
    return lambda _head: chunks


def _read_head(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (more := connection.recv(65536)):
            raise BrokenPipeError
        head += more
    return head.decode("latin-1")
