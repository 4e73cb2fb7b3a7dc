"""A server on the loopback address that answers what a test says, and counts who came."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

Answer = Callable[[str], Iterable[bytes]]
"""Makes of the head of a request the pieces of its answer."""


class Loopback:
    """Takes one request on each connection, in a thread of its own."""

    def __init__(self, answer: Answer, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self.connections = 0
        self.requests: list[str] = []
        self._answer, self._tls = answer, tls
        self._stopped = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """Take no more connections, and end those that are open."""
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it was stopped
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client went away
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                head = _head(connection)
                self.requests.append(head)
                for piece in self._answer(head):
                    if self._stopped.is_set():
                        return
                    connection.sendall(piece)


@contextmanager
def serving(
    answer: Answer, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Loopback]:
    """Lend a server."""
    server = Loopback(answer, host, port, tls)
    try:
        yield server
    finally:
        server.stop()


def http(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """Return an answer; in the names of headers `_` stands for `-`."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines])
    return f"{head}\r\n\r\n".encode() + body


OK = http(b"ok", X_Kind="good")


def always(*pieces: bytes) -> Answer:
    """Return what answers everybody the same."""
    return lambda _head: pieces


def _head(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (more := connection.recv(65536)):
            raise BrokenPipeError
        head += more
    return head.decode("latin-1")
