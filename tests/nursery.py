"""`flask` commands that start at once: forked from a process which has imported the application.

The import is most of what a command costs. From there on all is as if it had been typed.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from flask.cli import main as flask

_ROOT = Path(__file__).parent.parent
_NURSERY = multiprocessing.get_context("forkserver")
_NURSERY.set_forkserver_preload(["app", "granian.cli", __name__])


class FlaskCommand:
    """`flask` with some arguments, in a process and a group of its own, as `subprocess.Popen`."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], output: Path
    ) -> None:
        about = (list(arguments), dict(environment), output)
        self._process = _NURSERY.Process(target=_run, args=about)
        self._process.start()

    @property
    def pid(self) -> int:
        """The number of the process, and of its group."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """What it ended with; nothing while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Look whether it has ended."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal the process, and no other of its group."""
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def wait(self, timeout: float) -> int | None:
        """Wait some seconds until it has ended."""
        self._process.join(timeout)
        return self.returncode


def _run(arguments: list[str], environment: dict[str, str], output: Path) -> None:
    os.setsid()
    os.chdir(_ROOT)
    written = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(written, stream)
    os.environ.clear()
    os.environ.update(environment)
    multiprocessing.set_start_method("fork", force=True)  # as anywhere but here
    sys.argv = ["flask", *arguments]
    flask()
