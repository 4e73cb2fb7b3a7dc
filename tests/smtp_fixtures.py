"""A mail server that can be stopped, workers that can be killed, and a count of arrivals."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.child_processes import PythonProcess
from tests.mail_server import Server
from tests.servers import free_port


class Arrivals:
    """Counts deliveries by message id; a mail server and an SMS gateway may share it."""

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, message_id: str) -> None:
        """Count a message that was accepted."""
        with self._lock:
            self.accepted[message_id] += 1

    @property
    def duplicates(self) -> int:
        """The number of deliveries beyond the first of each message."""
        return self.accepted.total() - len(self.accepted)

    def wait_for(self, number: int, timeout: float = 60) -> None:
        """Wait until so many different messages have arrived."""
        deadline = time.monotonic() + timeout
        while len(self.accepted) < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {len(self.accepted)} of {number} messages have arrived")
            time.sleep(0.005)


class MailServer:
    """A real SMTP server that counts the Message-IDs that it accepts.

    `options` are aiosmtpd's, such as `tls_context`.
    """

    def __init__(self, arrivals: Arrivals, **options: Any) -> None:
        self.port = free_port()
        self.connections = 0
        self._arrivals, self._options = arrivals, options
        self._server: Server | None = None

    async def handle_DATA(self, server: Any, session: Any, transaction: Any) -> str:  # noqa: N802
        """Accept an e-mail."""
        [message_id] = (
            line.partition(b":")[2].strip().decode()
            for line in transaction.content.splitlines()
            if line.lower().startswith(b"message-id:")
        )
        self._arrivals.add(message_id)
        return "250 OK"

    def start(self) -> None:
        """Listen on the same port each time."""
        self._server = Server(self, hostname="127.0.0.1", port=self.port, **self._options)
        self._server.start()

    def stop(self) -> None:
        """Close all connections and accept no more."""
        if self._server:
            self._server.stop()
        self._server = None


class Workers:
    """Workers in separate processes; a killed one is replaced."""

    def __init__(self, environment: Mapping[str, str], command: Callable[[], list[str]]) -> None:
        self._environment = {"PATH": os.environ["PATH"], **environment}
        self._command = command
        self._processes: list[PythonProcess] = []

    def start(self, number: int = 1) -> None:
        """Start more workers."""
        for _ in range(number):
            process = PythonProcess(self._command(), self._environment, Path(os.devnull))
            self._processes.append(process)

    def kill_one(self) -> None:
        """Kill the oldest worker with SIGKILL, and start another one."""
        process = self._processes.pop(0)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        self.start()

    def end(self) -> None:
        """Kill all workers."""
        for process in self._processes:
            process.kill()
            process.wait(10)


def delivery_command(server: MailServer, lease: float) -> list[str]:
    """Return the arguments of `python` for a worker that delivers to a mail server."""
    return ["-m", "tests.delivery", str(server.port), str(lease)]
