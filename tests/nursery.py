"""`python` that starts at once: forked from a process which has imported the application.

The import is most of what a server or a command costs. From there on all is as if it were typed.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

_ROOT = Path(__file__).parent.parent
_NURSERY = multiprocessing.get_context("forkserver")
_NURSERY.set_forkserver_preload(
    ["app", "flask.cli", "granian.cli", "ua_parser_builtins.matchers", __name__]
)
FLASK = ("-m", "flask")


class Python:
    """`python` with `-m` and a module or `-c` and code, and more arguments; as `subprocess.Popen`.

    It is in a group of its own.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        output: Path,
        errors: Path | None = None,
    ) -> None:
        about = (list(arguments), dict(environment), output, errors or output)
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

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def wait(self, timeout: float) -> int | None:
        """Wait some seconds until it has ended."""
        self._process.join(timeout)
        return self.returncode


def run_flask(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of `flask` to its end, as an operator does.

    Raises:
        AssertionError: it goes on for a minute; it is killed.
    """
    with TemporaryDirectory(prefix="gatehouse-test-") as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        command = Python([*FLASK, *arguments], environment, output, errors)
        code = command.wait(60)
        if code is None:
            os.killpg(command.pid, signal.SIGKILL)
            raise AssertionError(f"flask {' '.join(arguments)} does not end")
        return subprocess.CompletedProcess(arguments, code, output.read_text(), errors.read_text())


def _run(arguments: list[str], environment: dict[str, str], output: Path, errors: Path) -> None:
    os.setsid()
    os.chdir(_ROOT)
    for stream, file in ((1, output), (2, errors)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), stream)
    os.environ.clear()
    os.environ.update(environment)
    multiprocessing.set_start_method("fork", force=True)  # as anywhere but here
    how, what, *rest = arguments
    sys.argv = [how, *rest]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})
