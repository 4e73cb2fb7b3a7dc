"""Sixty random `kill -9`: of a worker, a main process, a whole server, or the database's sessions.

Requests may get 503 or no answer. What was acknowledged before a kill is true after it.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from tests.endurance.load import under_load
from tests.endurance.person import NO_ANSWER
from tests.endurance.services import replicas
from tests.live_server import LiveServer
from tests.polling import wait_until

KILLS = 60
END_SESSIONS = sa.text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


def kill_worker(server: LiveServer) -> None:
    """Kill one worker; the main process starts another."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    os.kill(int(random.choice(children.split())), signal.SIGKILL)


def kill_main_process(server: LiveServer) -> None:
    """Kill the main process; its workers end by themselves. Start the server again."""
    server.process.kill()
    server.kill()
    server.start()


def kill_server(server: LiveServer) -> None:
    """Kill all processes of the server, and start it again."""
    server.kill()
    server.start()


def end_database_sessions(server: LiveServer) -> None:
    """End all sessions of the database, in whatever transaction they are."""
    engine = sa.create_engine(server.environment["DATABASE_URL"], poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(END_SESSIONS)


ACTS: tuple[Callable[[LiveServer], None], ...] = (
    kill_worker,
    kill_main_process,
    kill_server,
    end_database_sessions,
)


def main() -> int:
    """Kill and count."""
    kills: Counter[str] = Counter()
    with replicas(2) as servers:
        with under_load([server.url for server in servers]) as load:
            for _ in range(KILLS):
                server, act = random.choice(servers), random.choice(ACTS)
                act(server)
                kills[act.__name__.replace("_", " ")] += 1
                wait_until(server.is_ready)
        return load.report("random_kills", {503, NO_ANSWER}, **kills)


if __name__ == "__main__":
    sys.exit(main())
