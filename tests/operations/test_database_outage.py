"""Outage of a database whose network stops responding, as after a cable was pulled."""

import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

import pytest
import sqlalchemy as sa

from tests.client import PASSWORD, Client
from tests.conftest import environment, running
from tests.missing_tools import skip_without
from tests.network_namespace import network_namespace
from tests.surface.conftest import read_problem

DATABASE_HOST = "2001:db8::5432"
LOGIN = {"identifier": "ada@example.com", "password": PASSWORD}


@contextmanager
def remote_database(namespace, store):
    """Make a database available at DATABASE_HOST in a network namespace; yield its URL."""
    real, ends = sa.make_url(store), []
    if "host" not in real.query:
        skip_without("PostgreSQL on a socket", "without TEST_POSTGRES_URL")
    server = namespace.run(lambda: socket.create_server((DATABASE_HOST, 0), family=socket.AF_INET6))
    threading.Thread(target=accept, args=(server, real, ends), daemon=True).start()
    try:
        url = real.difference_update_query(["host", "port"])
        yield url.set(host=DATABASE_HOST, port=server.getsockname()[1]).render_as_string(False)
    finally:
        for end in (server, *ends):
            disconnect(end)


def accept(server, real, ends):
    """Relay connections to the real server, which listens on a Unix socket."""
    with server, suppress(OSError):  # when it is closed
        while True:
            client, _ = server.accept()
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(f"{real.query['host']}/.s.PGSQL.{real.port or 5432}")
            ends += [client, upstream]
            threading.Thread(target=relay, args=(client, upstream), daemon=True).start()


def relay(client, upstream):
    with client, upstream:
        responses = threading.Thread(target=copy, args=(upstream, client), daemon=True)
        responses.start()
        copy(client, upstream)
        responses.join()


def copy(source, sink):
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    disconnect(source)
    disconnect(sink)


def disconnect(end):
    with suppress(OSError):  # it is disconnected already
        end.shutdown(socket.SHUT_RDWR)


def ip(*command):
    return subprocess.run(["ip", *command], capture_output=True, check=False, text=True)


def remove_address():
    assert ip("address", "del", f"{DATABASE_HOST}/64", "dev", "lo").returncode == 0


def restore_address():
    """Give the server its address again, and wait until the kernel accepts it as local."""
    assert ip("address", "add", f"{DATABASE_HOST}/64", "dev", "lo", "nodad").returncode == 0
    deadline = time.monotonic() + 60
    while not ip("route", "get", DATABASE_HOST).stdout.startswith("local"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.requirement("CF-03")
@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_requests_get_503_when_the_database_stops_responding_and_succeed_again(store):
    with (
        network_namespace([DATABASE_HOST]) as namespace,
        remote_database(namespace, store) as url,
        running(environment(url)) as app,
    ):
        client = Client(app.test_client)
        before = namespace.run(client.post, "/auth/login", LOGIN)

        namespace.run(remove_address)
        start = time.monotonic()
        during = namespace.run(client.post, "/auth/login", LOGIN)
        took = time.monotonic() - start
        namespace.run(restore_address)
        after = namespace.run(client.post, "/auth/login", LOGIN)

    assert (before.status_code, after.status_code) == (401, 401)
    assert read_problem(during) == (503, "service_unavailable")
    assert took < 15  # without a timeout of its own it would be minutes
