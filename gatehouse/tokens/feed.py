"""What each read of the feed covers: the rows that name what has ended.

A row's time is the database's at its INSERT. Rows commit out of order, within 35 s (see
`database.session`), so each read covers a minute by the database's clock. Reading a row twice
changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gatehouse.core import clock
from gatehouse.database.clock import Reading

OVERLAP = timedelta(seconds=60)
MAX_PAUSE = timedelta(seconds=20)
"""After a longer pause the overlap might miss a row that committed late."""
COMPLETE_INTERVAL = timedelta(seconds=60)
INTERVAL_AFTER_STEP = timedelta(seconds=5)
STEP_EFFECT = timedelta(seconds=90)
"""How long a step of the database's clock can hide rows: their times are out of order."""


@dataclass(frozen=True, slots=True)
class FeedWindow:
    """The rows of one read: those newer than `since` that have not expired at `unexpired_at`."""

    since: datetime
    unexpired_at: datetime


@dataclass
class FeedPosition:
    """When this worker has read the feed, by this machine's uptime."""

    read_at: timedelta | None = None
    complete_at: timedelta = timedelta(0)

    def next_window(self, reading: Reading, stepped_at: timedelta | None) -> FeedWindow:
        """Return what to read now: the last minute, or all unexpired rows."""
        unexpired_at = min(reading.time, clock.now())
        if self._is_complete_due(reading.uptime, stepped_at):
            return FeedWindow(clock.UNIX_EPOCH, unexpired_at)
        return FeedWindow(reading.time - OVERLAP, unexpired_at)

    def advance(self, reading: Reading, window: FeedWindow) -> None:
        """Note that a window was read successfully."""
        self.read_at = reading.uptime
        if window.since == clock.UNIX_EPOCH:
            self.complete_at = reading.uptime

    def _is_complete_due(self, uptime: timedelta, stepped_at: timedelta | None) -> bool:
        if self.read_at is None or not timedelta(0) <= uptime - self.read_at <= MAX_PAUSE:
            return True
        if stepped_at is None or uptime - stepped_at > STEP_EFFECT:
            return uptime - self.complete_at >= COMPLETE_INTERVAL
        is_first = self.complete_at < stepped_at
        return is_first or uptime - self.complete_at >= INTERVAL_AFTER_STEP
