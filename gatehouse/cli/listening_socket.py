"""The socket that a server listens on: bound before anything else, and by one server only."""

import errno
import socket

import click

BACKLOG = 1024
"""Connections that the kernel accepts before a worker does."""


def bind_socket(host: str, port: int) -> socket.socket:
    """Bind the port of a server exclusively: another server cannot share it.

    Raises:
        ClickException: it cannot be bound; the message says why and what to do.
    """
    try:
        return _bind(host, port)
    except OSError as problem:
        raise _binding_error(host, port, problem) from None


def listen(bound: socket.socket) -> None:
    """Accept connections from now on; they wait for a worker.

    Raises:
        ClickException: another server began to listen since the socket was bound.
    """
    host, port = bound.getsockname()[:2]
    try:
        bound.listen(BACKLOG)
    except OSError as problem:
        raise _binding_error(host, port, problem) from None


def format_endpoint(host: str, port: int) -> str:
    """Return host and port as in a URL; IPv6 addresses are in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bind(host: str, port: int) -> socket.socket:
    info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, endpoint = info[0]
    unbound = socket.socket(family, kind, protocol)
    try:
        unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # not SO_REUSEPORT
        unbound.bind(endpoint)
    except OSError:
        unbound.close()
        raise
    return unbound


def _binding_error(host: str, port: int, problem: OSError) -> click.ClickException:
    endpoint = format_endpoint(host, port)
    if problem.errno == errno.EADDRINUSE:
        return click.ClickException(
            f"Another program already listens on {endpoint}; it may be another Gatehouse. Stop it,"
            " or set PORT to another port."
        )
    if problem.errno == errno.EACCES:
        return click.ClickException(
            f"This user may not listen on {endpoint}. Set PORT to 1024 or higher, and let your"
            " proxy forward to it."
        )
    if problem.errno == errno.EADDRNOTAVAIL or isinstance(problem, socket.gaierror):
        return click.ClickException(
            f"GATEHOUSE_HOST is {host}, which is not an IP address of this machine. Set it to"
            " 127.0.0.1, to 0.0.0.0 for all IPv4 addresses, or to :: for IPv6 as well."
        )
    return click.ClickException(f"Cannot listen on {endpoint}: {problem.strerror}.")
