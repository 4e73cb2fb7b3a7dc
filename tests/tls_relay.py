"""A relay that accepts TLS for a server that speaks plain text."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trustme

from tests.mail_server import create_tls_context


@contextmanager
def tls_relay(authority: trustme.CA, port: int) -> Iterator[int]:
    """Accept TLS for `localhost` and relay it to a port; yield the port of the relay."""
    context = create_tls_context(authority, "localhost")
    ends: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = (server, context, port, ends)
        acceptor = threading.Thread(target=_accept, args=arguments, daemon=True)
        acceptor.start()
        yield server.getsockname()[1]
        _disconnect(server, *ends)
        acceptor.join(60)


def _accept(
    server: socket.socket, context: ssl.SSLContext, port: int, ends: list[socket.socket]
) -> None:
    relays = []
    with suppress(OSError):  # the server was shut down
        while True:
            client, _ = server.accept()
            with suppress(ssl.SSLError):
                pair = (
                    context.wrap_socket(client, server_side=True),
                    socket.create_connection(("127.0.0.1", port)),
                )
                ends += pair
                relays.append(threading.Thread(target=_relay, args=pair, daemon=True))
                relays[-1].start()
    for relay in relays:
        relay.join(60)


def _relay(client: socket.socket, upstream: socket.socket) -> None:
    with client, upstream:
        responses = threading.Thread(target=_copy, args=(upstream, client), daemon=True)
        responses.start()
        _copy(client, upstream)
        responses.join(60)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _disconnect(source, sink)


def _disconnect(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):  # it is disconnected already
            end.shutdown(socket.SHUT_RDWR)
