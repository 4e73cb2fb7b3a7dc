"""What the main process and the worker processes of a server know of each other.

The values are in memory that forked processes share. A process that is not a server has zeros.
"""

import mmap

from gatehouse.core import metrics

FAILING, STARTED = 0, 1
"""Positions of the bytes: number of failing workers, and whether any worker ever started."""
_shared = mmap.mmap(-1, mmap.PAGESIZE)


def report_failing_workers(count: int) -> None:
    """Publish how many workers keep ending unexpectedly; called by the main process."""
    _shared[FAILING] = count
    metrics.FAILING_WORKERS.set(count)


def failing_workers() -> int:
    """Return how many workers keep ending unexpectedly."""
    return _shared[FAILING]


def report_started() -> None:
    """Publish that a worker has loaded the application; called by each worker."""
    _shared[STARTED] = 1


def any_started() -> bool:
    """Return whether any worker has ever loaded the application."""
    return bool(_shared[STARTED])
