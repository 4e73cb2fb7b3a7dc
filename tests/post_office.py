"""A mail server that can be down, and workers that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from tests.stores import free_port

_ROOT = Path(__file__).parent.parent


class MailServer:
    """A real SMTP server that keeps the Message-ID of whatever it accepted."""

    def __init__(self) -> None:
        self.port = free_port()
        self.accepted: Counter[str] = Counter()
        """How often each message came."""
        self._lock = threading.Lock()
        self._controller: Controller | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep a mail; from here on it is this server's."""
        [message_id] = (
            line.partition(b":")[2].strip().decode()
            for line in envelope.content.splitlines()
            if line.lower().startswith(b"message-id:")
        )
        with self._lock:
            self.accepted[message_id] += 1
        return "250 OK"

    @property
    def duplicates(self) -> int:
        """How many mails came once more than they should."""
        return self.accepted.total() - len(self.accepted)

    def start(self) -> None:
        """Listen, on the same port each time."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()

    def stop(self) -> None:
        """Refuse connections, and drop those that are open."""
        if self._controller:
            self._controller.stop()
        self._controller = None

    def wait_for(self, number: int, patience: float = 60) -> None:
        """Wait until so many different mails have come."""
        deadline = time.monotonic() + patience
        while len(self.accepted) < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {len(self.accepted)} of {number} mails have come")
            time.sleep(0.005)


class Workers:
    """Workers in processes of their own; what is killed is replaced."""

    def __init__(self, environment: Mapping[str, str], command: Callable[[], list[str]]) -> None:
        self._environment = {"PATH": os.environ["PATH"], **environment}
        self._command = command
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, number: int = 1) -> None:
        """Start some more."""
        for _ in range(number):
            process = subprocess.Popen(
                self._command(), cwd=_ROOT, env=self._environment, stderr=subprocess.DEVNULL
            )
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
    """Return the command of a worker that delivers to a mail server."""
    return [sys.executable, "-m", "tests.courier", str(server.port), str(lease)]
