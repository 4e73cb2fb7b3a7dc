"""A worker of logout notifications with a short lease, for tests: run as a separate process.

`python -m tests.logout_delivery LEASE` delivers until it is killed.
"""

from __future__ import annotations

import sys
from datetime import timedelta

from app import create_app
from gatehouse.oauth import logout_queue, logout_worker


def main(lease: str) -> None:
    """Deliver until killed."""
    logout_queue.LEASE = timedelta(seconds=float(lease))
    logout_worker.MAX_SEND_TIME = logout_queue.LEASE / 2
    logout_worker.TIMEOUT = float(lease) / 3
    logout_queue.RETRY_DELAYS = (timedelta(seconds=0.2),) * 9
    logout_worker.LogoutWorker().run_until_stopped(create_app())


if __name__ == "__main__":
    main(*sys.argv[1:])
