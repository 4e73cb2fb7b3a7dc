"""Wait for something that happens in another process or thread."""

import time
from collections.abc import Callable

TIMEOUT = 60.0  # seconds; on a busy machine a server start has taken more than 30


def wait_until(condition: Callable[[], object]) -> None:
    """Return when the condition is true; fail if it is not within a minute."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.02)
