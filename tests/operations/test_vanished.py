"""A database that is gone without a word, as behind a cable that was pulled."""

import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

import pytest
import sqlalchemy as sa

from tests.client import PASSWORD, Client
from tests.conftest import environment, running
from tests.island import island
from tests.skips import skip_without
from tests.surface.conftest import verdict

FAR = "2001:db8::5432"
LOGIN = {"identifier": "ada@example.com", "password": PASSWORD}


@contextmanager
def relayed(home, store):
    """Lend the URL of a database as a server that is far away, in the network of `home`."""
    real, ends = sa.make_url(store), []
    if "host" not in real.query:
        skip_without("PostgreSQL on a socket", "without TEST_POSTGRES_URL")
    server = home.run(lambda: socket.create_server((FAR, 0), family=socket.AF_INET6))
    threading.Thread(target=accept, args=(server, real, ends), daemon=True).start()
    try:
        far = real.difference_update_query(["host", "port"])
        yield far.set(host=FAR, port=server.getsockname()[1]).render_as_string(False)
    finally:
        for end in (server, *ends):
            hang_up(end)


def accept(server, real, ends):
    """Connect whoever comes with the real server, which listens on a socket of the file system."""
    with server, suppress(OSError):  # when it is hung up
        while True:
            comer, _ = server.accept()
            there = socket.socket(socket.AF_UNIX)
            there.connect(f"{real.query['host']}/.s.PGSQL.{real.port or 5432}")
            ends += [comer, there]
            threading.Thread(target=relay, args=(comer, there), daemon=True).start()


def relay(comer, there):
    with comer, there:
        back = threading.Thread(target=pump, args=(there, comer), daemon=True)
        back.start()
        pump(comer, there)
        back.join()


def pump(source, sink):
    with suppress(OSError):
        while some := source.recv(65536):
            sink.sendall(some)
    hang_up(source)
    hang_up(sink)


def hang_up(end):
    with suppress(OSError):  # it is, already
        end.shutdown(socket.SHUT_RDWR)


def ip(*command):
    return subprocess.run(["ip", *command], capture_output=True, check=False, text=True)


def leave():
    assert ip("address", "del", f"{FAR}/64", "dev", "lo").returncode == 0


def come_back():
    """Give the server its address again, and wait until the system knows it as its own."""
    assert ip("address", "add", f"{FAR}/64", "dev", "lo", "nodad").returncode == 0
    deadline = time.monotonic() + 10
    while not ip("route", "get", FAR).stdout.startswith("local"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_a_database_that_vanishes_is_told_soon_and_found_again(store):
    with (
        island([FAR]) as home,
        relayed(home, store) as url,
        running(environment(url)) as app,
    ):
        client = Client(app.test_client)
        before = home.run(client.post, "/auth/login", LOGIN)

        home.run(leave)
        began = time.monotonic()
        told = home.run(client.post, "/auth/login", LOGIN)
        took = time.monotonic() - began
        home.run(come_back)
        after = home.run(client.post, "/auth/login", LOGIN)

    assert (before.status_code, after.status_code) == (401, 401)
    assert verdict(told) == (503, "service_unavailable")
    assert took < 2.5
