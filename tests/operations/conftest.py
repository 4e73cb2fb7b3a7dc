"""A PostgreSQL that goes away and comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client import Client
from tests.conftest import environment
from tests.live import LiveServer
from tests.patience import wait_until
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


@pytest.fixture(scope="module")
def cluster() -> Iterator[FickleCluster]:
    if not postgres_is_installed():
        skip_without("PostgreSQL", NO_POSTGRES)
    cluster = FickleCluster()
    yield cluster
    if cluster.is_away:
        cluster.resume()
    cluster.stop()


@pytest.fixture(scope="module")
def away(cluster: FickleCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Lend one server to the tests of a file, which take its database away and bring it back.

    All of its workers are ready: one that still starts would refuse what needs its keys.
    """
    wanted = environment(cluster.url)
    del wanted["GATEHOUSE_PUBLIC_URL"]
    server = LiveServer(wanted, tmp_path_factory.mktemp("server") / "server.log")
    try:
        server.start()
        wait_until(lambda: every_worker(server.client, "/health/ready") == {200})
        yield server
    finally:
        server.kill()


def every_worker(client: Client, path: str) -> set[int]:
    """Return the statuses of so many answers that each worker gave one."""
    return {client.get(path).status_code for _ in range(20)}
