"""A network of one's own, with as many addresses as one likes: nobody else sees or reaches it."""

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

from tests.skips import skip_without

NEW_NETWORK = 0x40000000  # CLONE_NEWNET of sched.h
Result = TypeVar("Result")


class Island:
    """A thread whose network is its own, and that of the processes which it starts.

    The network is gone when the thread and those processes are.
    """

    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread

    def run(self, act: Callable[..., Result], *arguments: Any) -> Result:
        """Do something there, and return what it returns."""
        return self._thread.submit(act, *arguments).result()

    def post(self, port: int, path: str, body: str, sender: tuple[str, str]) -> int:
        """POST JSON; `sender` is the address it comes from, and that of the server."""
        mine, servers = sender
        return self.run(_post, HTTPConnection(servers, port, 30, (mine, 0)), path, body)


@contextmanager
def island(addresses: Iterable[str]) -> Iterator[Island]:
    """Lend a network with nothing but `lo`, which has these IPv6 addresses, too."""
    if shutil.which("ip") is None:
        skip_without("iproute2", "make system-test-tools")
    with ThreadPoolExecutor(1) as thread:
        lent = Island(thread)
        if problem := lent.run(_leave):
            skip_without("network namespaces", f"as root, with CAP_SYS_ADMIN: {problem}")
        lent.run(_settle, addresses)
        yield lent


def _leave() -> str:
    """Give the calling thread a network of its own; return why it got none, or nothing."""
    system = ctypes.CDLL(None, use_errno=True)
    return "" if system.unshare(NEW_NETWORK) == 0 else os.strerror(ctypes.get_errno())


def _settle(addresses: Iterable[str]) -> None:
    commands = ["link set lo up", *(f"addr add {one}/64 dev lo nodad" for one in addresses)]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def _post(connection: HTTPConnection, path: str, body: str) -> int:
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()
