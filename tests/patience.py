"""Waiting for what happens in another process."""

import time
from collections.abc import Callable

PATIENCE = 30.0  # seconds


def wait_until(holds: Callable[[], object]) -> None:
    """Return when it holds; fail when it does not in time."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
