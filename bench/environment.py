"""The measured environment: durable PostgreSQL, the service as shipped, and a bare Flask route."""

import base64
import os
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
from tests.live_server import ColdServer
from tests.servers import PostgresCluster, free_port

KEY_RING_SETTINGS = (
    "GATEHOUSE_SECRET_KEYS",
    "GATEHOUSE_ENCRYPTION_KEYS",
    "GATEHOUSE_PASSWORD_PEPPERS",
)
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
TIMEOUT = 30.0  # seconds
BARE_PATH = "/bare"


@dataclass(frozen=True)
class BenchEnvironment:
    """Ports of the servers, and the environment variables of the service."""

    service_port: int
    bare_port: int
    variables: Mapping[str, str]
    postgres_version: str
    folder: Path

    @property
    def dsn(self) -> str:
        """Connection URI of the database for psycopg."""
        return libpq_url(make_url(self.variables["DATABASE_URL"]))

    @contextmanager
    def start_service(self, **variables: str) -> Iterator[int]:
        """Start another service on the same database with other settings; yield its port."""
        with _start_service({**self.variables, **variables}, self.folder) as port:
            yield port


class DurableCluster(PostgresCluster):
    """The tests' PostgreSQL with default durability: a commit survives a power failure."""

    def _start(self) -> None:
        super()._start()
        options = f"-k {self._home} -c listen_addresses='' -c max_connections=200"
        log = self._home / "log"
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-o", options, "restart")


@contextmanager
def start_environment(folder: Path, postgres_url: str | None) -> Iterator[BenchEnvironment]:
    """Start everything; use the PostgreSQL of the URL, or else a new cluster."""
    with _start_postgres(postgres_url) as server, _create_database(server) as (database, version):
        environment = _environment(database, folder)
        with _start_service(environment, folder) as service, _start_bare(environment) as bare:
            yield BenchEnvironment(service, bare, environment, version, folder)


@contextmanager
def create_database(folder: Path, postgres_url: str | None) -> Iterator[tuple[dict[str, str], str]]:
    """Yield the settings of a service on an empty database, and the version of PostgreSQL."""
    with _start_postgres(postgres_url) as server, _create_database(server) as (database, version):
        yield _environment(database, folder), version


def libpq_url(url: URL) -> str:
    """Return a SQLAlchemy URL in libpq's format, without the driver."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def _start_service(environment: Mapping[str, str], folder: Path) -> Iterator[int]:
    service = ColdServer(environment, folder / "service.log")
    try:
        service.start()
        yield service.port
    finally:
        service.kill()


@contextmanager
def _start_postgres(postgres_url: str | None) -> Iterator[URL]:
    if postgres_url:
        yield make_url(postgres_url)
        return
    cluster = DurableCluster()
    try:
        yield make_url(cluster.url)
    finally:
        cluster.stop()


@contextmanager
def _create_database(server: URL) -> Iterator[tuple[URL, str]]:
    """Yield an empty database and its server's version; raise if the server is not durable."""
    name = f"gatehouse_bench_{secrets.token_hex(4)}"
    with psycopg.connect(libpq_url(server), autocommit=True) as connection:
        for setting in DURABLE:
            if connection.execute(f"SHOW {setting}").fetchone() != ("on",):
                raise RuntimeError(
                    f"PostgreSQL runs with {setting} off; results would be meaningless"
                )
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield server.set(database=name), _version(connection)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _version(connection: psycopg.Connection) -> str:
    return connection.info.parameter_status("server_version") or "of unknown version"


def _environment(database: URL, folder: Path) -> dict[str, str]:
    """Return settings for production, on the loopback address."""
    return {
        "GATEHOUSE_PUBLIC_URL": "https://auth.example.com",
        "GATEHOUSE_HOST": "127.0.0.1",
        "GATEHOUSE_DATA_DIR": str(folder),
        "GATEHOUSE_RATE_LIMITS": "off",
        "GATEHOUSE_TRUSTED_HOPS": "1",
        "DATABASE_URL": database.render_as_string(hide_password=False),
        **{name: f"bench:{_key()}" for name in KEY_RING_SETTINGS},
    }


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@contextmanager
def _start_bare(environment: Mapping[str, str]) -> Iterator[int]:
    """Serve the bare route with the options of the service; yield its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.bare"],
        cwd=config.ROOT,
        env={**os.environ, **environment, "PORT": str(port)},
    )
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        with suppress(ConnectionError):
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", BARE_PATH)
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")
