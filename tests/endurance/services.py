"""The servers of the endurance programs: PostgreSQL, and the service as shipped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conftest import environment
from tests.live_server import LiveServer, running_server
from tests.servers import PostgresCluster


@contextmanager
def database() -> Iterator[tuple[dict[str, str], Path]]:
    """Start PostgreSQL; yield the settings of a server that uses it, and a folder."""
    cluster = PostgresCluster()
    try:
        with TemporaryDirectory(prefix="gatehouse-endurance-") as folder:
            yield environment(cluster.url), Path(folder)
    finally:
        cluster.stop()


@contextmanager
def replicas(number: int, workers: int = 2, **settings: str) -> Iterator[list[LiveServer]]:
    """Start replicas with one database and one public URL."""
    more = {"GATEHOUSE_WORKERS": f"{workers}", "GATEHOUSE_THREADS": "8", **settings}
    with database() as (environ, folder), ExitStack() as stack:
        servers = [LiveServer(environ | more, folder / f"{one}.log") for one in range(number)]
        yield [stack.enter_context(running_server(server)) for server in servers]
