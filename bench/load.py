"""The load: requests over kept-alive connections, by wrk where it is installed, else by Python.

A Python client takes more of the cores that it shares with the server, from fast routes most of
all; that flatters ratios, so the report names the client.
"""

import json
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

from bench.lanes import CORES, Measurement, Work, measure

CONNECTIONS = 16
BEARER, REFRESH, LOGIN = "bearer", "refresh", "login"
SCRIPT = Path(__file__).parent / "load.lua"


@dataclass(frozen=True)
class Load:
    """What is sent, and where: a kind of request, and what makes each one another one.

    For BEARER these are access tokens, used in turn; for REFRESH refresh tokens, each of which is
    exchanged for the next one; for LOGIN the JSON bodies.
    """

    port: int
    path: str
    kind: str
    secrets: Sequence[str]

    @property
    def url(self) -> str:
        """The address that is asked."""
        return f"http://127.0.0.1:{self.port}{self.path}"


def client_for(load: Load) -> str:
    """Name the program that sends a load. There are so few logins that Python costs nothing."""
    return "wrk" if load.kind != LOGIN and shutil.which("wrk") else "Python"


def send(load: Load, seconds: float, connections: int = CONNECTIONS) -> Measurement:
    """Send a load for some seconds; every answer must be a good one."""
    if client_for(load) == "wrk":
        return _send_by_wrk(load, seconds, connections)
    return measure(partial(http_lane, load, connections), connections, seconds)


def http_lane(load: Load, connections: int, lane: int) -> Work:
    """Return what a lane repeats: a request with the next of its secrets, on its own connection."""
    caller, mine = _Caller(load), deque(load.secrets[lane::connections])
    return partial(_TURNS[load.kind], caller, mine)


def _send_by_wrk(load: Load, seconds: float, connections: int) -> Measurement:
    threads = min(CORES, connections)
    with tempfile.NamedTemporaryFile("w", prefix="gatehouse-bench-") as file:
        file.write("\n".join(load.secrets))
        file.flush()
        options = [f"-t{threads}", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(SCRIPT)]
        command = ["wrk", *options, load.url, "--", load.kind, file.name, str(threads)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(output.partition("measured ")[2] or "null")
    if found is None or found["failed"] or "error" in output.partition("measured ")[0].lower():
        raise RuntimeError(f"{load.path} was not always answered well:\n{output}")
    return Measurement(found["requests"] / found["seconds"], found["p50"], found["p99"])


class _Caller:
    """A client with one connection, for answers that must be good ones."""

    def __init__(self, load: Load) -> None:
        self.path = load.path
        self.connection = HTTPConnection("127.0.0.1", load.port, timeout=30)

    def get(self, token: str) -> bytes:
        self.connection.request("GET", self.path, headers={"Authorization": f"Bearer {token}"})
        return self._answer()

    def post(self, body: str) -> bytes:
        json_body = {"Content-Type": "application/json"}
        self.connection.request("POST", self.path, body.encode(), json_body)
        return self._answer()

    def _answer(self) -> bytes:
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self.path} was answered {answer.status}: {content[:300]!r}")
        return content


def _show_token(caller: _Caller, tokens: deque[str]) -> None:
    caller.get(tokens[0])
    tokens.rotate(-1)


def _log_in(caller: _Caller, bodies: deque[str]) -> None:
    caller.post(bodies[0])
    bodies.rotate(-1)


def _exchange(caller: _Caller, tokens: deque[str]) -> None:
    answer = caller.post(json.dumps({"refresh_token": tokens.popleft()}))
    tokens.append(json.loads(answer)["refresh_token"])


_TURNS: dict[str, Callable[[_Caller, deque[str]], None]] = {
    BEARER: _show_token,
    REFRESH: _exchange,
    LOGIN: _log_in,
}
