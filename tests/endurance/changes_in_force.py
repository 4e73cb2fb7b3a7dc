"""A changed role and a disabled account on one replica are in force on the others within a second.

Three replicas share PostgreSQL; 200 changes are made at the first one, and the old access token is
tried at the other two until it is rejected. Then the same with a slow database: each packet between
PostgreSQL and these two takes 30 ms longer.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit

from app import create_app
from config import Settings
from tests.client import Client, User
from tests.endurance.services import database
from tests.live_server import LiveServer, running_server
from tests.user_accounts import create_user

CHANGES = 200
LIMIT = 1.0
"""Seconds after the administrator's answer."""
DELAY = 0.03
"""Seconds that a packet takes longer on the way to a slow database, and back."""
ROLES = ({"role": "support"}, {"role": "auditor"})


@contextmanager
def slow_relay(port: int) -> Iterator[int]:
    """Relay connections to a port of this machine, each packet later by DELAY; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, port), daemon=True).start()
    with closing(listener):
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, port: int) -> None:
    while True:
        try:
            client = listener.accept()[0]
        except OSError:  # closed
            return
        upstream = socket.create_connection(("127.0.0.1", port))
        for ends in ((client, upstream), (upstream, client)):
            threading.Thread(target=_copy_late, args=ends, daemon=True).start()


def _copy_late(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            time.sleep(DELAY)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_RDWR)
    except OSError:
        source.close()


@contextmanager
def three_replicas(is_slow: bool) -> Iterator[list[LiveServer]]:
    """Start three replicas with one database, which is slow for the second and the third."""
    with database() as (environ, folder), ExitStack() as stack:
        url = environ["DATABASE_URL"]
        urls = [url, url, url]
        if is_slow:
            port = urlsplit(url).port or 5432
            late = stack.enter_context(slow_relay(port))
            urls[1:] = [url.replace(f":{port}", f":{late}")] * 2
        shared = environ | {"GATEHOUSE_WORKERS": "1", "GATEHOUSE_RATE_LIMITS": "off"}
        servers = [
            LiveServer(shared | {"DATABASE_URL": one}, folder / f"{number}.log")
            for number, one in enumerate(urls)
        ]
        yield [stack.enter_context(running_server(server)) for server in servers]


def sign_in_administrator(server: LiveServer) -> Client:
    """Create an administrator with a second factor; return their client."""
    app = create_app(Settings.from_environment(server.environment))
    root = create_user(app, User("root@example.com"), roles=["admin"])
    server.client.log_in(root)
    server.client.enrol_totp(root)
    return server.client.as_(server.client.renew(root.tokens))


def seconds_until_rejected(servers: Sequence[LiveServer], token: str, began: float) -> float:
    """Return how long after a time the last of these servers rejected an access token."""
    waiting = list(servers)
    while waiting and time.monotonic() - began < 10 * LIMIT:
        waiting = [one for one in waiting if accepts(one, token)]
    return time.monotonic() - began


def accepts(server: LiveServer, token: str) -> bool:
    """Return whether a server accepts an access token."""
    return server.client.as_(token).get("/auth/me").status_code == 200


def measure(servers: list[LiveServer]) -> Iterator[float]:
    """Yield the seconds until each change was in force on the second and the third replica."""
    first, *others = servers
    admin = sign_in_administrator(first)
    ann = first.client.sign_up(User("ann@example.com"))
    for number in range(CHANGES):
        tokens = first.client.log_in(ann)
        path = f"/admin/users/{tokens['user']['id']}"
        assert all(accepts(one, tokens["access_token"]) for one in servers)
        if number % 2:
            changed = admin.post(f"{path}/disable", {"reason": "endurance"})
        else:
            changed = admin.put(f"{path}/roles", {"roles": [ROLES[number // 2 % 2]]})
        began = time.monotonic()
        assert changed.status_code == 200, changed.json
        yield seconds_until_rejected(others, tokens["access_token"], began)
        if number % 2:
            assert admin.post(f"{path}/enable", {}).status_code == 200


def main() -> int:
    """Change, measure and count, with a fast database and with a slow one."""
    held = True
    for is_slow in (False, True):
        with three_replicas(is_slow) as servers:
            took = sorted(measure(servers))
        in_time = sum(seconds <= LIMIT for seconds in took)
        held &= in_time == CHANGES
        print(
            f"changes_in_force {'held' if in_time == CHANGES else 'DID NOT HOLD'}: {in_time} of"
            f" {CHANGES} within {LIMIT:g} s, median {took[CHANGES // 2]:.2f} s, slowest"
            f" {took[-1]:.2f} s, database {'slow' if is_slow else 'fast'}",
            flush=True,
        )
    return int(not held)


if __name__ == "__main__":
    sys.exit(main())
