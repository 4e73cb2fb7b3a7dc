"""A server is stopped by SIGTERM and started again, five times under load.

Requests that have begun are finished: while no server listens, connections are refused, and nothing
else happens to any request.
"""

from __future__ import annotations

import sys
import time

from tests.endurance.load import under_load
from tests.endurance.person import NO_ANSWER
from tests.endurance.services import replicas

STOPS = 5
PEOPLE = 6
"""No more than the queue of password hashes is long; others would rightly be rejected."""


def main() -> int:
    """Stop, start and count."""
    stopped_cleanly = 0
    with replicas(1) as [server]:
        with under_load([server.url], PEOPLE) as load:
            for _ in range(STOPS):
                time.sleep(3)
                server.stop()
                stopped_cleanly += server.process.returncode == 0
                server.start()
        failed = load.report("sigterm_under_load", {NO_ANSWER}, clean_stops=stopped_cleanly)
    return failed or int(stopped_cleanly < STOPS)


if __name__ == "__main__":
    sys.exit(main())
