"""A Linux network namespace with any number of IP addresses, isolated from the network."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, TypeVar

from tests.missing_tools import skip_without

CLONE_NEWNET = 0x40000000  # sched.h
Result = TypeVar("Result")


class NetworkNamespace:
    """A thread in a network namespace of its own; the processes that it starts are in it, too.

    The namespace is removed when the thread and those processes have ended.
    """

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Run a function in the namespace and return its result."""
        return self._thread.submit(function, *arguments).result()

    def post(self, port: int, path: str, body: str, addresses: tuple[str, str]) -> int:
        """POST JSON and return the status; `addresses` are the IPs of client and server."""
        client, server = addresses
        return self.run(_post, HTTPConnection(server, port, 60, (client, 0)), path, body)


@contextmanager
def network_namespace(ip_addresses: Iterable[str]) -> Iterator[NetworkNamespace]:
    """Yield a namespace that has nothing but `lo`, with these IPv6 addresses besides its own."""
    if shutil.which("ip") is None:
        skip_without("iproute2", "make system-test-tools")
    with ThreadPoolExecutor(1) as thread:
        namespace = NetworkNamespace(thread)
        if problem := namespace.run(_unshare_network):
            skip_without("network namespaces", f"as root, with CAP_SYS_ADMIN: {problem}")
        namespace.run(_configure, ip_addresses)
        yield namespace


def _unshare_network() -> str:
    """Move the calling thread into a new network namespace; return the error, or nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    return "" if libc.unshare(CLONE_NEWNET) == 0 else os.strerror(ctypes.get_errno())


def _configure(ip_addresses: Iterable[str]) -> None:
    commands = ["link set lo up", *(f"addr add {ip}/64 dev lo nodad" for ip in ip_addresses)]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def _post(connection: HTTPConnection, path: str, body: str) -> int:
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()
