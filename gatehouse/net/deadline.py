"""Total deadlines for outbound connections: name resolution, connecting and closing on expiry."""

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any, Self

from gatehouse.core import clock

SocketAddress = tuple[int, Any]
"""An address family, and an address as `socket.connect` takes it."""


class Deadline:
    """A limit in seconds for a whole exchange; on expiry its connection is shut down.

    A socket's timeout restarts with each byte, so a slow server could keep us waiting forever.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expires_at = clock.monotonic() + seconds
        self.exit_stack = ExitStack()

    @property
    def remaining(self) -> float:
        """Seconds left; never 0, which means "no timeout" to a socket."""
        return max(self.expires_at - clock.monotonic(), 0.001)

    @property
    def has_passed(self) -> bool:
        """Whether the deadline has passed."""
        return clock.monotonic() >= self.expires_at

    def close_on_expiry(self, connection: socket.socket) -> socket.socket:
        """Shut a connection down on expiry; return the connection."""
        # TLS takes the original handle over.
        duplicate = self.exit_stack.enter_context(_duplicate_socket(connection))
        timer = threading.Timer(self.remaining, _shut_down_socket, [duplicate])
        self.exit_stack.callback(timer.cancel)
        timer.daemon = True
        timer.start()
        return connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, _trace: object) -> None:
        self.exit_stack.close()


def resolve_host(host: str, port: int, deadline: Deadline) -> Sequence[SocketAddress]:
    """Resolve a host name in a thread that can be abandoned: the resolver has no timeout.

    Raises:
        OSError, UnicodeError: the name has no IP address, or the deadline passed.
    """
    executor = ThreadPoolExecutor(1)
    try:
        future = executor.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        return [(family, sockaddr) for family, *_, sockaddr in future.result(deadline.remaining)]
    finally:
        executor.shutdown(wait=False)


def connect(socket_addresses: Sequence[SocketAddress], deadline: Deadline) -> socket.socket:
    """Connect to the first of these addresses that accepts; the time left is shared among them.

    Raises:
        OSError: none accepted.
    """
    last_error = OSError("no address")
    for tried, (family, sockaddr) in enumerate(socket_addresses):
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(deadline.remaining / (len(socket_addresses) - tried))
        try:
            connection.connect(sockaddr)
        except OSError as error:
            connection.close()
            last_error = error
        else:
            connection.settimeout(deadline.remaining)
            return connection
    raise last_error


def _duplicate_socket(connection: socket.socket) -> socket.socket:
    """Return another handle of the same TCP connection, below TLS."""
    return socket.socket(fileno=socket.dup(connection.fileno()))


def _shut_down_socket(connection: socket.socket) -> None:
    with suppress(OSError):  # already shut down
        connection.shutdown(socket.SHUT_RDWR)
