"""A PostgreSQL that goes away and comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.skips import skip_without
from tests.stores import NO_POSTGRES, PostgresCluster, postgres_is_installed


class FickleCluster(PostgresCluster):
    """A PostgreSQL of one test, which may stop it and start it again."""

    is_away = False

    def halt(self) -> None:
        """Stop the server and break its connections; its data stay."""
        self._run("pg_ctl", "-D", self._data, "-m", "fast", "stop")
        self.is_away = True

    def resume(self) -> None:
        """Start the server where it was."""
        options = f"-k {self._home} -c listen_addresses='' -c fsync=off"
        log = self._home / "log"
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-o", options, "start")
        self.is_away = False


@pytest.fixture
def cluster() -> Iterator[FickleCluster]:
    if not postgres_is_installed():
        skip_without("PostgreSQL", NO_POSTGRES)
    cluster = FickleCluster()
    yield cluster
    if cluster.is_away:
        cluster.resume()
    cluster.stop()
