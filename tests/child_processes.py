"""Fast Python child processes: forked from a process that has already imported the application.

The imports are most of what starting a server or a command costs; everything else is unchanged.
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
_FORK_SERVER = multiprocessing.get_context("forkserver")
_FORK_SERVER.set_forkserver_preload(
    ["app", "flask.cli", "gatehouse.cli.server", "ua_parser_builtins.matchers", __name__]
)
FLASK = ("-m", "flask")


class PythonProcess:
    """`python -m module ...` or `python -c code ...`, with the methods of `subprocess.Popen`.

    It is in a process group of its own.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        output: Path,
        errors: Path | None = None,
    ) -> None:
        parameters = (list(arguments), dict(environment), output, errors or output)
        self._process = _FORK_SERVER.Process(target=_run, args=parameters)
        self._process.start()

    @property
    def pid(self) -> int:
        """The id of the process, and of its group."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal the process, but not its group."""
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def wait(self, timeout: float) -> int | None:
        """Wait up to `timeout` seconds for its end; return the exit code, None if it runs on."""
        self._process.join(timeout)
        return self.returncode


def run_flask(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a `flask` command to its end.

    Raises:
        AssertionError: it did not end within a minute, and was killed.
    """
    with TemporaryDirectory(prefix="gatehouse-test-") as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        command = PythonProcess([*FLASK, *arguments], environment, output, errors)
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
    multiprocessing.set_start_method("fork", force=True)  # the default of a new process
    option, target, *rest = arguments
    sys.argv = [option, *rest]
    if option == "-m":
        runpy.run_module(target, run_name="__main__", alter_sys=True)
    else:
        exec(target, {"__name__": "__main__"})
