"""What is measured: PostgreSQL that keeps its data, the service as shipped, a bare Flask route."""

import base64
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

import config
from gatehouse.cli.serve import arguments
from tests.live import ColdServer
from tests.stores import PostgresCluster, free_port

RINGS = ("GATEHOUSE_SECRET_KEYS", "GATEHOUSE_ENCRYPTION_KEYS", "GATEHOUSE_PASSWORD_PEPPERS")
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
PATIENCE = 30.0  # seconds
BARE = "/bare"


@dataclass(frozen=True)
class Stage:
    """Where everything is, and the environment that the service was started with."""

    service: int
    """Port of the service."""
    bare: int
    """Port of the bare route."""
    environment: Mapping[str, str]
    postgres: str
    """Version of PostgreSQL."""
    folder: Path

    @property
    def dsn(self) -> str:
        """The database, as psycopg names it."""
        return plain(make_url(self.environment["DATABASE_URL"]))

    @contextmanager
    def another(self, **variables: str) -> Iterator[int]:
        """Lend the port of one more service on the same database, with some other settings."""
        with _service({**self.environment, **variables}, self.folder) as port:
            yield port


class DurableCluster(PostgresCluster):
    """The tests' PostgreSQL with its own defaults: what was committed survives a power cut."""

    def _start(self) -> None:
        super()._start()
        options = f"-k {self._home} -c listen_addresses='' -c max_connections=200"
        log = self._home / "log"
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-o", options, "restart")


@contextmanager
def staged(folder: Path, postgres_url: str | None) -> Iterator[Stage]:
    """Lend a stage; PostgreSQL comes from the URL, else from the wheel."""
    with _server(postgres_url) as server, _database(server) as (database, version):
        environment = _environment(database, folder)
        with _service(environment, folder) as service, _bare(environment) as bare:
            yield Stage(service, bare, environment, version, folder)


@contextmanager
def stored(folder: Path, postgres_url: str | None) -> Iterator[tuple[dict[str, str], str]]:
    """Lend the settings of a service on an empty database, and the version of PostgreSQL."""
    with _server(postgres_url) as server, _database(server) as (database, version):
        yield _environment(database, folder), version


def plain(url: URL) -> str:
    """Return a database's URL without SQLAlchemy's name of the driver."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def _service(environment: Mapping[str, str], folder: Path) -> Iterator[int]:
    service = ColdServer(environment, folder / "service.log")
    try:
        service.start()
        yield service.port
    finally:
        service.kill()


@contextmanager
def _server(postgres_url: str | None) -> Iterator[URL]:
    if postgres_url:
        yield make_url(postgres_url)
        return
    cluster = DurableCluster()
    try:
        yield make_url(cluster.url)
    finally:
        cluster.stop()


@contextmanager
def _database(server: URL) -> Iterator[tuple[URL, str]]:
    """Lend an empty database and the version of its server; refuse one that forgets commits."""
    name = f"gatehouse_bench_{secrets.token_hex(4)}"
    with psycopg.connect(plain(server), autocommit=True) as connection:
        for setting in DURABLE:
            if connection.execute(f"SHOW {setting}").fetchone() != ("on",):
                raise RuntimeError(f"PostgreSQL runs with {setting} off; that measures nothing")
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield server.set(database=name), _version(connection)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _version(connection: psycopg.Connection) -> str:
    return connection.info.parameter_status("server_version") or "of unknown version"


def _environment(database: URL, folder: Path) -> dict[str, str]:
    """Return the settings of production, on the loopback address."""
    return {
        "GATEHOUSE_PUBLIC_URL": "https://auth.example.com",
        "GATEHOUSE_HOST": "127.0.0.1",
        "GATEHOUSE_INSTANCE": str(folder),
        "GATEHOUSE_RATE_LIMITS": "off",
        "GATEHOUSE_TRUSTED_HOPS": "1",
        "DATABASE_URL": database.render_as_string(hide_password=False),
        **{name: f"bench:{_key()}" for name in RINGS},
    }


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@contextmanager
def _bare(environment: Mapping[str, str]) -> Iterator[int]:
    """Lend the port of the bare route, served with the very options of the service."""
    port = free_port()
    settings = config.Settings.from_environment({**environment, "PORT": str(port)})
    options = [*arguments(settings)[:-1], "bench.bare:create_bridge"]
    process = subprocess.Popen([sys.executable, "-m", "granian", *options], cwd=config.ROOT)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(ConnectionError):
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", BARE)
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")
