"""No test leaves this machine: whoever tries learns where it wanted to go.

An audit hook sees every connection that Python makes, whichever library asks for it. Servers and
browsers that tests start are other processes, and are told to stay at home by their own settings.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any


class NetworkTouched(BaseException):
    """A test reached for the network. No `except Exception` can hide that."""


def pytest_configure() -> None:
    sys.addaudithook(_stay_at_home)


def _stay_at_home(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        allowed = _is_here(arguments[1][0])  # anything but a tuple is the path of a unix socket
    elif event == "socket.getaddrinfo":
        allowed = _needs_no_name_server(arguments[0])
    else:
        return
    if not allowed:
        raise NetworkTouched(f"{event}{arguments[:2]}: tests stay on this machine")


def _is_here(host: object) -> bool:
    address = _numeric(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _needs_no_name_server(host: object) -> bool:
    return host in (None, "", "localhost") or _numeric(host) is not None


def _numeric(host: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(str(host))
    except ValueError:
        pass
    try:  # as the system's resolver reads it: 2130706433 and 0x7f.1 are 127.0.0.1
        return ipaddress.ip_address(socket.inet_aton(str(host)))
    except (OSError, UnicodeError):
        return None
