"""A PostgreSQL server that tests stop and start again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client import Client
from tests.conftest import environment
from tests.live_server import LiveServer
from tests.missing_tools import skip_without
from tests.polling import wait_until
from tests.servers import NO_POSTGRES, PostgresCluster, postgres_is_installed


class StoppableCluster(PostgresCluster):
    """A PostgreSQL server of one test module, which stops it and starts it again."""

    is_stopped = False

    def stop_server(self) -> None:
        """Stop the server and close its connections; keep its data."""
        self._run("pg_ctl", "-D", self._data, "-m", "fast", "stop")
        self.is_stopped = True

    def start_server(self) -> None:
        """Start the server again with the same address and data."""
        options = f"-k {self._home} -c listen_addresses='' -c fsync=off"
        log = self._home / "log"
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-o", options, "start")
        self.is_stopped = False


@pytest.fixture(scope="module")
def cluster() -> Iterator[StoppableCluster]:
    if not postgres_is_installed():
        skip_without("PostgreSQL", NO_POSTGRES)
    cluster = StoppableCluster()
    yield cluster
    if cluster.is_stopped:
        cluster.start_server()
    cluster.stop()


@pytest.fixture(scope="module")
def server(
    cluster: StoppableCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """Run one Gatehouse server for the tests of a module, which stop and start its database.

    All workers are ready: one that is still starting has no signing keys yet.
    """
    environ = environment(cluster.url)
    del environ["GATEHOUSE_PUBLIC_URL"]
    server = LiveServer(environ, tmp_path_factory.mktemp("server") / "server.log")
    try:
        server.start()
        wait_until(lambda: statuses_of_all_workers(server.client, "/health/ready") == {200})
        yield server
    finally:
        server.kill()


def statuses_of_all_workers(client: Client, path: str) -> set[int]:
    """Return the statuses of many responses, so that every worker sent at least one."""
    return {client.get(path).status_code for _ in range(20)}
