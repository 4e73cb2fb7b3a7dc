"""Circuit breaker: a service that is down is not asked for some seconds."""

import threading

from gatehouse.core import clock

MAX_FAILURES = 3
"""Questions in a row that got no answer, after which the circuit is open."""
PAUSE = 5.0
"""Seconds until an open circuit lets one request through, to see whether the service is back."""


class CircuitBreaker:
    """The state of one service in this worker; its threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0

    def admit(self) -> bool:
        """Return whether the service may be asked; `record` must follow."""
        with self._lock:
            if self._failures < MAX_FAILURES:
                return True
            if clock.monotonic() < self._open_until:
                return False
            self._open_until = clock.monotonic() + PAUSE  # the others wait for this attempt
            return True

    def record(self, *, has_answered: bool) -> None:
        """Record whether a request that was admitted got an answer, of whatever content."""
        with self._lock:
            self._failures = 0 if has_answered else self._failures + 1
            if not has_answered:
                self._open_until = clock.monotonic() + PAUSE
