"""The service as it is shipped: `flask serve` in processes of its own, on a free port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, TestResponse
from werkzeug.wrappers import Request

from tests.client import Client, Door
from tests.nursery import FLASK, Python
from tests.stores import free_port, is_free

_ROOT = Path(__file__).parent.parent
_PATIENCE = 60.0  # seconds; on a busy machine a start has taken more than 30


class LiveServer:
    """A server that tests can stop, kill and start again; it keeps its port and its database."""

    process: subprocess.Popen[bytes] | Python

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": str(log.parent),  # what a killed server leaves behind goes with the test
            "GATEHOUSE_PUBLIC_URL": self.url,
            "PORT": str(self.port),
            **environment,
        }
        self.client = Client(self.new_door)
        self.get = self.client.get
        self.post = self.client.post

    def new_door(self) -> Door:
        """Return another way in, which brings no cookies."""
        return _NetworkDoor(self.url)

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        self.process = self._launch()
        self._wait_until_ready()

    def _launch(self) -> subprocess.Popen[bytes] | Python:
        return Python([*FLASK, "serve"], self.environment, self.log)

    def stop(self) -> None:
        """Ask the server to finish what it does and end.

        A worker that is still loading does not hear the question; `flask serve` gives it 10 s.
        """
        self.process.terminate()
        self.process.wait(_PATIENCE)

    def kill(self) -> None:
        """End the server and its workers at once, as a power cut would; its port is free then."""
        with suppress(ProcessLookupError):  # it may have ended before
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(_PATIENCE)
        deadline = time.monotonic() + _PATIENCE
        while not is_free(self.port):  # a worker takes longer than its master
            assert time.monotonic() < deadline, f"somebody still listens on {self.port}"
            time.sleep(0.005)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server is not ready:\n{self.log.read_text()}")
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            return self.get("/health/ready").status_code == 200
        except requests.ConnectionError:
            return False


class ColdServer(LiveServer):
    """A server that is started as people do, and imports all by itself.

    It is in the network of the thread that starts it.
    """

    def _launch(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "flask", "serve"],
                cwd=_ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that kill() reaches the workers
            )


class _NetworkDoor:
    """Sends over HTTP what a Flask test client would hand to the application; keeps cookies."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cookies = requests.Session().cookies

    def open(self, path: str, **request: Any) -> TestResponse:
        sent = EnvironBuilder(path, self._url, **request).get_request()
        answer = self._send(sent)
        status = f"{answer.status_code} {answer.reason}"
        received = Headers(list(answer.raw.headers.items()))
        return TestResponse([answer.content], status, received, sent)

    def _send(self, sent: Request) -> requests.Response:
        headers = {name: value for name, value in sent.headers if name != "Host"}
        with requests.Session() as session:
            session.trust_env = False  # no proxy between a test and its server
            session.cookies = self._cookies
            return session.request(
                sent.method,
                sent.url,
                headers=headers,
                data=sent.get_data(),
                allow_redirects=False,
                timeout=_PATIENCE,
            )
