"""When to restart workers that ended unexpectedly: immediately at first, then less often."""

from dataclasses import dataclass, field

MAX_DELAY = 30.0  # seconds
STABLE = 60.0
"""A worker that runs this many seconds after its restart has recovered."""


@dataclass
class Failure:
    """Unexpected ends of one worker in a row; times are monotonic."""

    count: int
    restart_at: float
    waiting: bool = True

    @property
    def forgotten_at(self) -> float:
        """When the worker has run long enough to have recovered."""
        return self.restart_at + STABLE


@dataclass
class RestartSchedule:
    """Failures by the index of their worker."""

    failures: dict[int, Failure] = field(default_factory=dict)

    def add(self, worker: int, now: float) -> float:
        """Schedule the restart of a worker that has ended; return the delay in seconds.

        The first restart is immediate; the further ones wait 1, 2, 4, ... seconds, 30 at most.
        """
        self.forget_recovered(now)
        count = self.failures[worker].count + 1 if worker in self.failures else 1
        delay = 0.0 if count == 1 else min(MAX_DELAY, 2.0 ** (count - 2))
        self.failures[worker] = Failure(count, now + delay)
        return delay

    def take_due(self, now: float) -> list[int]:
        """Return the workers to restart now, and note them as restarted."""
        due = [worker for worker in self._waiting() if self.failures[worker].restart_at <= now]
        for worker in due:
            self.failures[worker].waiting = False
        return due

    def forget_recovered(self, now: float) -> None:
        """Forget the failures of workers that have run for a minute since their restart."""
        for worker, failure in list(self.failures.items()):
            if not failure.waiting and failure.forgotten_at <= now:
                del self.failures[worker]

    def count_failing(self) -> int:
        """Return how many workers have ended more than once in a row."""
        return sum(failure.count > 1 for failure in self.failures.values())

    def count_waiting(self) -> int:
        """Return how many workers do not run and wait for their restart."""
        return len(self._waiting())

    def seconds_until_next(self, now: float) -> float | None:
        """Return the seconds until something is due, or None without failures."""
        times = (f.restart_at if f.waiting else f.forgotten_at for f in self.failures.values())
        return max(0.0, min(times) - now) if self.failures else None

    def _waiting(self) -> list[int]:
        return [worker for worker, failure in self.failures.items() if failure.waiting]
