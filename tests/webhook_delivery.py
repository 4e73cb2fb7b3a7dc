"""A worker of webhooks with a short lease, for tests: run as a separate process.

`python -m tests.webhook_delivery LEASE` delivers until it is killed.
"""

from __future__ import annotations

import sys
from datetime import timedelta

from app import create_app
from gatehouse.hooks import delivery_queue, delivery_worker, sending


def main(lease: str) -> None:
    """Deliver until killed."""
    delivery_queue.LEASE = timedelta(seconds=float(lease))
    delivery_worker.MAX_SEND_TIME = delivery_queue.LEASE / 2
    sending.TIMEOUT = float(lease) / 3
    delivery_queue.RETRY_DELAYS = (timedelta(seconds=0.2),) * 9
    delivery_worker.WebhookWorker().run_until_stopped(create_app())


if __name__ == "__main__":
    main(*sys.argv[1:])
