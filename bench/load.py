"""The load: requests over kept-alive connections, by wrk where it is installed, else by Python.

A Python client takes more of the cores that it shares with the server, from fast routes most of
all; that flatters ratios, so the report names the client.
"""

import json
import random
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from ipaddress import IPv4Address
from pathlib import Path

from bench.lanes import CORES, Measurement, Work, measure

CONNECTIONS = 16
BEARER, REFRESH, LOGIN = "bearer", "refresh", "login"
SCRIPT = Path(__file__).parent / "load.lua"


@dataclass(frozen=True)
class Load:
    """What is sent, and where: a kind of request, and what makes each one another one.

    For BEARER these are access tokens, used in turn; for REFRESH refresh tokens, each of which is
    exchanged for the next one; for LOGIN the JSON bodies, each behind the token of the device that
    it is sent from, or nothing. Every POST comes from another address, as told by the one proxy
    that the stage trusts, so that no limit is reached.
    """

    port: int
    path: str
    kind: str
    secrets: Sequence[str]
    rest: float = 0.0
    """Milliseconds between two requests of a connection, on average; wrk only."""

    @property
    def url(self) -> str:
        """The address that is asked."""
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Sequence[tuple[str, str]]
    content: bytes

    def header(self, name: str) -> str:
        """Return the value of a header that is there."""
        return next(value for each, value in self.headers if each.lower() == name.lower())


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
    caller, mine = Caller(load.port, load.path), deque(load.secrets[lane::connections])
    return partial(_TURNS[load.kind], caller, mine)


def _send_by_wrk(load: Load, seconds: float, connections: int) -> Measurement:
    threads = min(CORES, connections)
    with tempfile.NamedTemporaryFile("w", prefix="gatehouse-bench-") as file:
        file.write("\n".join(load.secrets))
        file.flush()
        options = [f"-t{threads}", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(SCRIPT)]
        command = ["wrk", *options, load.url, "--", load.kind, file.name]
        command += [str(threads), f"{load.rest:.3f}"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(output.partition("measured ")[2] or "null")
    if found is None or found["failed"] or "error" in output.partition("measured ")[0].lower():
        raise RuntimeError(f"{load.path} was not always answered well:\n{output}")
    return Measurement(found["requests"] / found["seconds"], found["p50"], found["p99"])


class Caller:
    """A client with one connection."""

    def __init__(self, port: int, path: str) -> None:
        self.path = path
        self.connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, token: str) -> Answer:
        """Ask with an access token."""
        self.connection.request("GET", self.path, headers={"Authorization": f"Bearer {token}"})
        return self._answer()

    def post(self, body: str) -> Answer:
        """Send JSON, from a device whose token stands before it."""
        device, brace, rest = body.partition("{")
        headers = {"Content-Type": "application/json", "X-Forwarded-For": _somewhere()}
        headers |= {"X-Device-Token": device} if device else {}
        self.connection.request("POST", self.path, (brace + rest).encode(), headers)
        return self._answer()

    def require(self, status: int, answer: Answer) -> bytes:
        """Return the content of an answer that must have a status."""
        if answer.status != status:
            raise RuntimeError(
                f"{self.path} was answered {answer.status}: {answer.content[:300]!r}"
            )
        return answer.content

    def _answer(self) -> Answer:
        answer = self.connection.getresponse()
        content = answer.read()
        return Answer(answer.status, answer.getheaders(), content)


def _somewhere() -> str:
    return str(IPv4Address("10.0.0.0") + random.randrange(2**24))


def _show_token(caller: Caller, tokens: deque[str]) -> None:
    caller.require(200, caller.get(tokens[0]))
    tokens.rotate(-1)


def _log_in(caller: Caller, bodies: deque[str]) -> None:
    caller.require(200, caller.post(bodies[0]))
    bodies.rotate(-1)


def _exchange(caller: Caller, tokens: deque[str]) -> None:
    sent = caller.post(json.dumps({"refresh_token": tokens.popleft()}))
    answer = caller.require(200, sent)
    tokens.append(json.loads(answer)["refresh_token"])


_TURNS: dict[str, Callable[[Caller, deque[str]], None]] = {
    BEARER: _show_token,
    REFRESH: _exchange,
    LOGIN: _log_in,
}
