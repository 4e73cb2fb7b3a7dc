"""PgBouncer in transaction mode before the tests' PostgreSQL, set up as the documentation says."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from tests.missing_tools import skip_without
from tests.polling import wait_until
from tests.servers import free_port, is_free

EXAMPLES = Path(__file__).parent.parent / "docs/examples/postgresql"
PASSWORD = "sesame"
SESSIONS = 8
"""Sessions of PostgreSQL that all clients share: few, so that each transaction gets another."""


@dataclass(frozen=True)
class PooledDatabase:
    """An empty database with a role that owns it, and one that serves, behind a pooler."""

    name: str
    server_url: sa.URL
    pooler_port: int

    @property
    def owner_url(self) -> str:
        """URL of the owner, past the pooler."""
        return self._render(self.server_url, f"{self.name}_owner")

    @property
    def direct_url(self) -> str:
        """URL of the role that serves, past the pooler."""
        return self._render(self.server_url, self.name)

    @property
    def url(self) -> str:
        """URL of the role that serves, through the pooler."""
        pooler = sa.URL.create("postgresql+psycopg", host="127.0.0.1", port=self.pooler_port)
        return self._render(pooler, self.name)

    def execute(self, *statements: str) -> None:
        """Execute statements in this database as a superuser."""
        execute(self.server_url.set(database=self.name), *statements)

    def prepare(self) -> None:
        """Give the role that serves its rights and parameters, as documented."""
        self.execute(*_statements(self.name)[1])

    def reconnect(self) -> None:
        """End the sessions of the pooler, so that the next ones have the parameters of today."""
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = "
        self.execute(f"{ended}'{self.name}'")

    def _render(self, server: sa.URL, role: str) -> str:
        url = server.set(username=role, password=PASSWORD, database=self.name)
        return url.render_as_string(hide_password=False)


@contextmanager
def pooled_database(server_url: str) -> Iterator[PooledDatabase]:
    """Create a database by `roles.sql`, and start PgBouncer with `pgbouncer.ini` before it."""
    server, name = sa.make_url(server_url), f"pooled_{secrets.token_hex(4)}"
    execute(server, *_statements(name)[0])
    database = PooledDatabase(name, server, free_port())
    try:
        database.prepare()
        with _pgbouncer(database):
            yield database
    finally:
        roles = [f"DROP ROLE {name}", f"DROP ROLE {name}_owner"]
        execute(server, f"DROP DATABASE {name} WITH (FORCE)", *roles)


def execute(url: sa.URL, *statements: str) -> None:
    """Execute statements, each in a transaction of its own."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _statements(name: str) -> list[list[str]]:
    r"""Return the statements of `roles.sql` for this name: before, and after `\connect`."""
    script = (EXAMPLES / "roles.sql").read_text()
    script = re.sub(r"^--.*", "", script, flags=re.MULTILINE)
    script = re.sub(r":'\w*password'", f"'{PASSWORD}'", script)
    script = re.sub(r"\bgatehouse(_owner)?\b", rf"{name}\1", script)
    halves = script.split(rf"\connect {name}")
    return [[part.strip() for part in half.split(";") if part.strip()] for half in halves]


@contextmanager
def _pgbouncer(database: PooledDatabase) -> Iterator[None]:
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        skip_without("pgbouncer", "make system-test-tools")
    identity: dict[str, Any] = {}
    with TemporaryDirectory(prefix="gatehouse-pooler-", dir="/tmp") as folder:
        configuration = _write_configuration(Path(folder), database)
        if os.geteuid() == 0:  # PgBouncer does not run as root
            shutil.chown(folder, "nobody")
            identity = {"user": "nobody", "group": 65534, "extra_groups": []}
        process = subprocess.Popen([program, "-q", configuration], **identity)
        try:
            wait_until(lambda: not is_free(database.pooler_port) or process.poll() is not None)
            yield
        finally:
            process.kill()
            process.wait()


def _write_configuration(folder: Path, database: PooledDatabase) -> Path:
    """Write `pgbouncer.ini` with the server, the port and the password of the tests."""
    server, users = database.server_url, folder / "userlist.txt"
    users.write_text(f'"{database.name}" "{PASSWORD}"\n')
    host = server.query.get("host") or server.host
    replacements = {
        r"^gatehouse = .*": f"{database.name} = host={host} port={server.port or 5432}",
        r"^listen_port = .*": f"listen_port = {database.pooler_port}\nunix_socket_dir =",
        r"^auth_file = .*": f"auth_file = {users}",
        r"^default_pool_size = .*": f"default_pool_size = {SESSIONS}",
    }
    text = (EXAMPLES / "pgbouncer.ini").read_text()
    for pattern, replacement in replacements.items():
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    (folder / "pgbouncer.ini").write_text(text)
    return folder / "pgbouncer.ini"
