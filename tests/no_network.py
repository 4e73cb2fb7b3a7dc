"""Block the network: a test that connects to another machine fails and reports the host.

A Python audit hook sees every connection of the process, whichever library makes it. Servers and
browsers that tests start are other processes, and are restricted by their own settings.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any


class NetworkAccessBlocked(BaseException):
    """A test tried to use the network; no `except Exception` can hide this."""


def pytest_configure() -> None:
    sys.addaudithook(_block_network)


def _block_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        allowed = _is_loopback(arguments[1][0])  # anything but a tuple is the path of a unix socket
    elif event == "socket.getaddrinfo":
        allowed = _needs_no_name_server(arguments[0])
    else:
        return
    if not allowed:
        raise NetworkAccessBlocked(f"{event}{arguments[:2]}: tests must not use the network")


def _is_loopback(host: object) -> bool:
    ip_address = _parse_ip_address(host)
    return host == "localhost" or (ip_address is not None and ip_address.is_loopback)


def _needs_no_name_server(host: object) -> bool:
    return host in (None, "", "localhost") or _parse_ip_address(host) is not None


def _parse_ip_address(host: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(str(host))
    except ValueError:
        pass
    try:  # as the system's resolver does: 2130706433 and 0x7f.1 are 127.0.0.1
        return ipaddress.ip_address(socket.inet_aton(str(host)))
    except (OSError, UnicodeError):
        return None
