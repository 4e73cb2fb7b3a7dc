"""The service as shipped: `gatehouse serve` in processes of its own, on a free port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, TestResponse

from tests.child_processes import FLASK, PythonProcess
from tests.client import Client, Connection
from tests.polling import TIMEOUT, wait_until
from tests.servers import free_port, is_free

_ROOT = Path(__file__).parent.parent


class LiveServer:
    """A server that tests can stop, kill and start again; it keeps its port and its database."""

    process: subprocess.Popen[bytes] | PythonProcess

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(log.parent),  # what a killed server leaves is removed with the test
            "GATEHOUSE_PUBLIC_URL": self.url,
            "PORT": str(self.port),
            **environment,
        }
        self.client = Client(self.new_connection)
        self.get = self.client.get
        self.post = self.client.post

    def new_connection(self) -> Connection:
        """Return a connection without cookies."""
        return _HttpConnection(self.url)

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self.process = self._launch()
        wait_until(self.is_ready)

    def _launch(self) -> subprocess.Popen[bytes] | PythonProcess:
        return PythonProcess([*FLASK, "serve"], self.environment, self.log)

    def stop(self) -> None:
        """Stop the server gracefully.

        A worker that is still loading ignores the signal; `gatehouse serve` kills it after 10 s.
        """
        self.process.terminate()
        self.process.wait(TIMEOUT)

    def kill(self) -> None:
        """Kill the server and its workers, as a power cut would; return when its port is free."""
        with suppress(ProcessLookupError):  # it has ended already
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(TIMEOUT)
        wait_until(lambda: is_free(self.port))  # workers end after their parent

    def is_ready(self) -> bool:
        """Return whether it is ready; fail if it has ended."""
        assert self.process.poll() is None, f"the server ended:\n{self.log.read_text()}"
        try:
            return self.get("/health/ready").status_code == 200
        except requests.ConnectionError:
            return False


@contextmanager
def running_server(server: LiveServer) -> Iterator[LiveServer]:
    """Start a server, and kill it afterwards."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


class ColdServer(LiveServer):
    """A server that is started from a shell command and imports everything itself.

    It runs in the network namespace of the thread that starts it.
    """

    def _launch(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *FLASK, "serve"],
                cwd=_ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that kill() reaches the workers
            )


class _HttpConnection:
    """Sends over HTTP what a Flask test client would pass to the application; keeps cookies."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cookies = requests.Session().cookies

    def open(self, path: str, **request: Any) -> TestResponse:
        sent = EnvironBuilder(path, self._url, **request).get_request()
        with requests.Session() as session:
            session.trust_env = False  # no proxy between a test and its server
            session.cookies = self._cookies
            response = session.request(
                sent.method,
                sent.url,
                headers={name: value for name, value in sent.headers if name != "Host"},
                data=sent.get_data(),
                allow_redirects=False,
                timeout=TIMEOUT,
            )
        status = f"{response.status_code} {response.reason}"
        headers = Headers(list(response.raw.headers.items()))
        return TestResponse([response.content], status, headers, sent)
