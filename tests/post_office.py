"""A mail server that can be down, workers that can be killed, and what has arrived."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.mail_server import Server
from tests.nursery import Python
from tests.stores import free_port


class Arrivals:
    """How often each message came, by its id; a mail server and a gateway may share them."""

    def __init__(self) -> None:
        self.accepted: Counter[str] = Counter()
        self._lock = threading.Lock()

    def note(self, message_id: str) -> None:
        """Count a message that was accepted."""
        with self._lock:
            self.accepted[message_id] += 1

    @property
    def duplicates(self) -> int:
        """How many messages came once more than they should."""
        return self.accepted.total() - len(self.accepted)

    def wait_for(self, number: int, patience: float = 60) -> None:
        """Wait until so many different messages have come."""
        deadline = time.monotonic() + patience
        while len(self.accepted) < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {len(self.accepted)} of {number} messages have come")
            time.sleep(0.005)


class MailServer:
    """A real SMTP server that notes the Message-ID of whatever it accepted.

    `options` are aiosmtpd's, such as `tls_context`.
    """

    def __init__(self, arrivals: Arrivals, **options: Any) -> None:
        self.port = free_port()
        self.connections = 0
        self._arrivals, self._options = arrivals, options
        self._server: Server | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep a mail; from here on it is this server's."""
        [message_id] = (
            line.partition(b":")[2].strip().decode()
            for line in envelope.content.splitlines()
            if line.lower().startswith(b"message-id:")
        )
        self._arrivals.note(message_id)
        return "250 OK"

    def start(self) -> None:
        """Listen, on the same port each time."""
        self._server = Server(self, hostname="127.0.0.1", port=self.port, **self._options)
        self._server.start()

    def stop(self) -> None:
        """Refuse connections, and drop those that are open."""
        if self._server:
            self._server.stop()
        self._server = None


class Workers:
    """Workers in processes of their own; what is killed is replaced."""

    def __init__(self, environment: Mapping[str, str], command: Callable[[], list[str]]) -> None:
        self._environment = {"PATH": os.environ["PATH"], **environment}
        self._command = command
        self._processes: list[Python] = []

    def start(self, number: int = 1) -> None:
        """Start some more."""
        for _ in range(number):
            process = Python(self._command(), self._environment, Path(os.devnull))
            self._processes.append(process)

    def kill_one(self) -> None:
        """End the oldest one as a power cut would, and start another in its place."""
        process = self._processes.pop(0)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        self.start()

    def end(self) -> None:
        """End all of them at once."""
        for process in self._processes:
            process.kill()
            process.wait(10)


def courier(server: MailServer, lease: float) -> list[str]:
    """Return what `python` is told for a worker that delivers to a mail server."""
    return ["-m", "tests.courier", str(server.port), str(lease)]
