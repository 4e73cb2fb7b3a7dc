"""The databases of tests: real SQLite files and PostgreSQL databases, private to one test run.

Each worker process migrates a template once. Every test gets a copy as the migrations left it, so
tests share no data. Copies are emptied and reused: a pooled application finds its database again.
"""

from __future__ import annotations

import heapq
import itertools
import os
import shutil
import sqlite3
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Set
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from gatehouse.database.session import Base

Migrate = Callable[[str], None]
"""Runs all migrations on the empty database at a URL."""

MEMORY_NEEDED = 256 << 20
"""Bytes that all SQLite files may need."""

TRUNCATE_ABOVE = 256 << 10
"""Bytes; larger PostgreSQL tables are truncated instead of deleted from."""

TABLES = [table.name for table in reversed(Base.metadata.sorted_tables)]
"""All tables; those with foreign keys come before the tables they refer to."""

APPLICATION_NAME = "gatehouse-tests"
"""Identifies the PostgreSQL connections of this process; servers under test do not use it."""


class _Store:
    """Copies of one migrated database; each is used by one test after the other.

    Emptying a copy is faster than making one, and a connection that has used it before is twice as
    fast. So copies and connections are reused, unless a test has changed the schema or left a
    connection in use. The free copy with the lowest number is next.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._free: list[str] = []

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Yield the URL of a migrated database without the data of any other test."""
        name = heapq.heappop(self._free) if self._free else self._copy(next(self._numbers))
        try:
            yield self._url(name)
        finally:
            if self._clear(name):
                heapq.heappush(self._free, name)
            else:  # its name is not reused: open connections must not reach another test's copy
                self._drop(name)

    def _url(self, name: str) -> str:
        raise NotImplementedError

    def _copy(self, number: int) -> str:
        """Make a copy and return its name."""
        raise NotImplementedError

    def _clear(self, name: str) -> bool:
        """Reset a copy to its state after the migrations; return False if that is impossible."""
        raise NotImplementedError

    def _drop(self, name: str) -> None:
        raise NotImplementedError


class SqliteStore(_Store):
    """Copies of one migrated SQLite file."""

    def __init__(self, directory: Path, migrate: Migrate) -> None:
        super().__init__()
        self._directory = directory
        self._template = directory / "template.db"
        self._identities: dict[str, tuple[int, int]] = {}
        migrate(self._url(self._template.name))
        with closing(sqlite3.connect(self._template)) as template:
            self._structure = _file_structure(template)
            found = {name: template.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES}
            self._seed_rows = {name: rows for name, rows in reversed(found.items()) if rows}

    def _url(self, name: str) -> str:
        return f"sqlite:///{self._directory / name}"

    def _copy(self, number: int) -> str:
        name = f"{number:03}.db"
        shutil.copyfile(self._template, self._directory / name)
        self._identities[name] = self._identity(name)
        return name

    def _identity(self, name: str) -> tuple[int, int]:
        """Return inode and mode, which show whether a file was replaced or its mode changed."""
        status = (self._directory / name).stat()
        return status.st_ino, status.st_mode

    def _clear(self, name: str) -> bool:
        try:
            if self._identity(name) != self._identities[name]:
                return False
            database = sqlite3.connect(self._directory / name, timeout=1, isolation_level=None)
            with closing(database):
                database.execute("BEGIN IMMEDIATE")
                if _file_structure(database) != self._structure:
                    return False
                empty_file(database)
                database.execute("DELETE FROM sqlite_sequence")  # reset AUTOINCREMENT
                for table, rows in self._seed_rows.items():
                    parameters = ", ".join("?" * len(rows[0]))
                    database.executemany(f"INSERT INTO {table} VALUES ({parameters})", rows)
                database.execute("COMMIT")
        except (OSError, sqlite3.Error):
            return False
        return True

    def _drop(self, name: str) -> None:
        for leftover in self._directory.glob(f"{name}*"):  # the file, its -wal and its -shm
            leftover.unlink()


def _file_structure(database: sqlite3.Connection) -> list[Any]:
    """Return the DDL of all tables and indexes, and the current migration."""
    schema = database.execute("SELECT name, sql FROM sqlite_schema ORDER BY name")
    versions = ("SELECT * FROM alembic_version", "PRAGMA user_version")
    return [*schema, *(row for version in versions for row in database.execute(version))]


def empty_file(database: sqlite3.Connection, *, but: Set[str] = frozenset()) -> None:
    """Delete all rows of an SQLite database, except those of the named tables."""
    used_tables = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in TABLES
    )
    for (name,) in database.execute(used_tables).fetchall():
        if name not in but:
            database.execute(f"DELETE FROM {name}")


def read_database_files(path: str | Path) -> bytes:
    """Return the content of an SQLite file and of those beside it (-wal, -shm).

    Another process reads them: POSIX drops all locks of a process when it closes a file, and the
    connections that this one keeps would go on without theirs.
    """
    files = sorted(Path(path).parent.glob(f"{Path(path).name}*"))
    return subprocess.run(["cat", *files], capture_output=True, check=True).stdout


@contextmanager
def memory_folder() -> Iterator[Path]:
    """Yield a temporary folder, in memory if possible: SQLite waits for the disk at each commit."""
    memory = Path("/dev/shm")
    is_usable = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MEMORY_NEEDED
    with tempfile.TemporaryDirectory(dir=memory if is_usable else None) as folder:
        yield Path(folder)


class PostgresStore(_Store):
    """Copies of one migrated PostgreSQL database; needs the right to create databases."""

    def __init__(self, server_url: str, migrate: Migrate) -> None:
        super().__init__()
        self._server_url = sa.make_url(server_url)
        self._server = sa.create_engine(
            self._server_url, isolation_level="AUTOCOMMIT", poolclass=NullPool
        )
        # Workers, and runs that share TEST_POSTGRES_URL, need names of their own.
        self._template = f"gatehouse_{uuid.uuid4().hex[:12]}"
        self._copies: dict[str, sa.Engine] = {}
        os.environ["PGAPPNAME"] = APPLICATION_NAME
        self._execute(f"CREATE DATABASE {self._template}")
        migrate(self._url(self._template))
        engine = sa.create_engine(self._url(self._template), poolclass=NullPool)
        with engine.connect() as template:
            self._structure = _structure(template)
            self._seed_rows = _read_seed_rows(template)

    @contextmanager
    def sql_ascii(self) -> Iterator[str]:
        """Yield the URL of an empty database with encoding SQL_ASCII, which accepts any bytes."""
        name = f"{self._template}_ascii"
        self._execute(f"CREATE DATABASE {name} ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0")
        try:
            yield self._url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Drop all databases: a server at TEST_POSTGRES_URL outlives this run."""
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
            parameters = {"application_name": APPLICATION_NAME}
            are_ours = database.execute(_TERMINATE_CONNECTIONS, parameters).scalars().all()
            if any(are_ours) or _structure(database) != self._structure:
                return False
            _empty(database, self._seed_rows)
        return True

    def _url(self, database: str) -> str:
        return self._server_url.set(database=database).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        with self._server.connect() as connection:
            connection.exec_driver_sql(statement)


_TERMINATE_CONNECTIONS = sa.text("""
    SELECT pg_terminate_backend(pid) AND application_name = :application_name FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND (application_name <> :application_name OR state <> 'idle')
""")
_STRUCTURE = """
    SELECT relname, relkind, attname, atttypid, attnotnull
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND NOT attisdropped
    WHERE relnamespace = 'public'::regnamespace ORDER BY relname, attname
"""
_RESET_SEQUENCES = """
    SELECT setval(oid::regclass, 1, false) FROM pg_class
    WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
"""


def _structure(database: sa.Connection) -> list[Any]:
    """Return the columns of all tables, indexes and sequences, and the current migration."""
    columns = list(database.exec_driver_sql(_STRUCTURE))
    versioned = any(column.relname == "alembic_version" for column in columns)
    version = database.exec_driver_sql("SELECT * FROM alembic_version") if versioned else ()
    return [*columns, *version]


def _read_seed_rows(database: sa.Connection) -> dict[sa.Table, list[dict[str, Any]]]:
    """Return the rows that the migrations inserted."""
    found = {
        table: [dict(row) for row in database.execute(sa.select(table)).mappings()]
        for table in Base.metadata.sorted_tables
    }
    return {table: rows for table, rows in found.items() if rows}


def _empty(database: sa.Connection, seed_rows: dict[sa.Table, list[dict[str, Any]]]) -> None:
    """Delete all rows except the seed rows. New rows are stored in insertion order, as in a copy.

    TRUNCATE takes 6 ms for each table, so it is used for large tables only.
    """
    used = database.exec_driver_sql(
        " UNION ALL ".join(
            f"SELECT '{name}', pg_relation_size('{name}') WHERE EXISTS (SELECT FROM {name})"
            for name in TABLES
        )
    ).all()
    for name, size in used:
        large = size > TRUNCATE_ABOVE
        database.exec_driver_sql(f"TRUNCATE {name} CASCADE" if large else f"DELETE FROM {name}")
    database.exec_driver_sql(_RESET_SEQUENCES)
    for table, rows in seed_rows.items():
        database.execute(table.insert(), rows)
