"""Load generation: requests over persistent connections, by wrk if installed, else by Python.

A Python client takes more CPU time from the server, most of all at fast routes. That makes ratios
look better, so the report names the client.
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

from bench.workers import CORES, Measurement, Task, measure

CONNECTIONS = 16
BEARER, REFRESH, LOGIN = "bearer", "refresh", "login"
SCRIPT = Path(__file__).parent / "load.lua"


@dataclass(frozen=True)
class Load:
    """Requests of one kind to one URL; `secrets` has what differs between them.

    For BEARER these are access tokens, used in turn; for REFRESH refresh tokens, each of which is
    exchanged for the next one; for LOGIN JSON bodies, each after the device token that is sent with
    it, or nothing. Every POST has another client IP address, in X-Forwarded-For of the one trusted
    proxy, so that no limit is reached; those of refreshes are in one network.
    """

    port: int
    path: str
    kind: str
    secrets: Sequence[str]
    delay: float = 0.0
    """Milliseconds between two requests of a connection, on average; wrk only."""

    @property
    def url(self) -> str:
        """URL of the requests."""
        return f"http://127.0.0.1:{self.port}{self.path}"


@dataclass(frozen=True)
class HttpResponse:
    """Status, headers and content of a response."""

    status: int
    headers: Sequence[tuple[str, str]]
    content: bytes

    def header(self, name: str) -> str:
        """Return the value of a header, which must be present."""
        return next(value for each, value in self.headers if each.lower() == name.lower())


def client_for(load: Load) -> str:
    """Return the name of the program that sends a load; for the few logins always Python."""
    return "wrk" if load.kind != LOGIN and shutil.which("wrk") else "Python"


def send(load: Load, seconds: float, connections: int = CONNECTIONS) -> Measurement:
    """Send a load for some seconds; raise if any response has an unexpected status."""
    if client_for(load) == "wrk":
        return _send_by_wrk(load, seconds, connections)
    return measure(partial(http_worker, load, connections), connections, seconds)


def http_worker(load: Load, connections: int, worker: int) -> Task:
    """Return the task of a worker: a request with its next secret, on its own connection."""
    caller, secrets = HttpClient(load.port, load.path), deque(load.secrets[worker::connections])
    return partial(_REQUESTS[load.kind], caller, secrets)


def _send_by_wrk(load: Load, seconds: float, connections: int) -> Measurement:
    threads = min(CORES, connections)
    with tempfile.NamedTemporaryFile("w", prefix="gatehouse-bench-") as file:
        file.write("\n".join(load.secrets))
        file.flush()
        options = [f"-t{threads}", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(SCRIPT)]
        command = ["wrk", *options, load.url, "--", load.kind, file.name]
        command += [str(threads), f"{load.delay:.3f}"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(output.partition("measured ")[2] or "null")
    if found is None or found["failed"] or "error" in output.partition("measured ")[0].lower():
        raise RuntimeError(f"{load.path}: some responses were errors:\n{output}")
    return Measurement(found["requests"] / found["seconds"], found["p50"], found["p99"])


class HttpClient:
    """An HTTP client with one connection, for one path."""

    def __init__(self, port: int, path: str) -> None:
        self.path = path
        self.connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, token: str) -> HttpResponse:
        """GET with an access token."""
        self.connection.request("GET", self.path, headers={"Authorization": f"Bearer {token}"})
        return self._read_response()

    def post(self, body: str, ip_address: str = "") -> HttpResponse:
        """POST JSON, after a device token if any, from an IP address, by default a random one."""
        device, brace, rest = body.partition("{")
        forwarded = {"X-Forwarded-For": ip_address or _random_ip_address()}
        headers = {"Content-Type": "application/json", **forwarded}
        headers |= {"X-Device-Token": device} if device else {}
        self.connection.request("POST", self.path, (brace + rest).encode(), headers)
        return self._read_response()

    def require(self, status: int, response: HttpResponse) -> bytes:
        """Return the content of a response; raise if it has another status."""
        if response.status != status:
            raise RuntimeError(
                f"{self.path} returned {response.status}: {response.content[:300]!r}"
            )
        return response.content

    def _read_response(self) -> HttpResponse:
        response = self.connection.getresponse()
        content = response.read()
        return HttpResponse(response.status, response.getheaders(), content)


def _random_ip_address() -> str:
    return str(IPv4Address("10.0.0.0") + random.randrange(2**24))


def _send_access_token(caller: HttpClient, tokens: deque[str]) -> None:
    caller.require(200, caller.get(tokens[0]))
    tokens.rotate(-1)


def _log_in(caller: HttpClient, bodies: deque[str]) -> None:
    caller.require(200, caller.post(bodies[0]))
    bodies.rotate(-1)


def _refresh(caller: HttpClient, tokens: deque[str]) -> None:
    ip_address = f"10.0.0.{random.randint(1, 254)}"  # in the network where the sessions began
    body = json.dumps({"refresh_token": tokens.popleft()})
    content = caller.require(200, caller.post(body, ip_address))
    tokens.append(json.loads(content)["refresh_token"])


_REQUESTS: dict[str, Callable[[HttpClient, deque[str]], None]] = {
    BEARER: _send_access_token,
    REFRESH: _refresh,
    LOGIN: _log_in,
}
