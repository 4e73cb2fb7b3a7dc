"""Connections that are over when their time is, whatever the other side does meanwhile."""

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any, Self

from gatehouse.core import clock

Place = tuple[int, Any]
"""A family of addresses, and an address of it as `socket.connect` takes it."""


class Deadline:
    """The end of a conversation, in so many seconds: then its connection is shut.

    A timeout of a socket begins anew with each byte, so a slow server could keep us for ever.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ends = clock.monotonic() + seconds
        self.watch_over = ExitStack()

    @property
    def left(self) -> float:
        """Seconds that are left; never none at all, which a socket would take for no timeout."""
        return max(self.ends - clock.monotonic(), 0.001)

    @property
    def is_over(self) -> bool:
        """Tell whether the time is over."""
        return clock.monotonic() >= self.ends

    def watch(self, connection: socket.socket) -> socket.socket:
        """Shut a connection when the time is over, and return it."""
        twin = self.watch_over.enter_context(_twin(connection))  # TLS takes the first one over
        timer = threading.Timer(self.left, _shut, [twin])
        self.watch_over.callback(timer.cancel)
        timer.daemon = True
        timer.start()
        return connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: Any, _trace: object) -> None:
        self.watch_over.close()


def resolved(host: str, port: int, deadline: Deadline) -> Sequence[Place]:
    """Ask the system's resolver, in a thread that can be left behind: it has no timeout.

    Raises:
        OSError, UnicodeError: the name has no address, or nobody said so in time.
    """
    asking = ThreadPoolExecutor(1)
    try:
        answer = asking.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        return [(family, where) for family, *_, where in answer.result(deadline.left)]
    finally:
        asking.shutdown(wait=False)


def connected(places: Sequence[Place], deadline: Deadline) -> socket.socket:
    """Connect to the first of these addresses that answers.

    Raises:
        OSError: none did.
    """
    problem = OSError("no address")
    for tried, (family, where) in enumerate(places):
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(deadline.left / (len(places) - tried))
        try:
            connection.connect(where)
        except OSError as failed:
            connection.close()
            problem = failed
        else:
            connection.settimeout(deadline.left)
            return connection
    raise problem


def _twin(connection: socket.socket) -> socket.socket:
    """Return another handle of the same connection; of TLS, the connection below."""
    return socket.socket(fileno=socket.dup(connection.fileno()))


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # it is shut already
        connection.shutdown(socket.SHUT_RDWR)
