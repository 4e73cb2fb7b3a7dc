"""Follow the database's clock: measure it, notice steps, and set the clock of the service by it.

This machine's own clock decides nothing; on SQLite it is the database's. A step back of the
database's clock is believed after a minute, a step forward at once (see decision 38).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import Flask
from sqlalchemy import ColumnElement, func, literal, select

from gatehouse.core import clock, metrics
from gatehouse.core.log import logger
from gatehouse.database.background_tasks import run_periodically
from gatehouse.database.session import UTCDateTime, db
from gatehouse.database.statements import fetch_one

INTERVAL = 10
"""Seconds between two readings in a process that reads no feed."""
PRECISION = timedelta(milliseconds=50)
"""Differences below it are noise of the measurement, and ignored."""
STEP = timedelta(seconds=1)
"""A change above it between two readings is a step; below it is drift."""
SETTLED_AFTER = timedelta(seconds=60)
"""How long a step back must last until it is believed."""
WARN_ABOVE = timedelta(seconds=5)
DEGRADED_ABOVE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Reading:
    """The time by the database's clock, and this machine's uptime at that moment."""

    time: datetime
    uptime: timedelta
    error: timedelta
    """Half of the round trip: by how much the time may be wrong."""

    @property
    def start_time(self) -> datetime:
        """When this machine started, by the database's clock."""
        return self.time - self.uptime


def database_time() -> ColumnElement[datetime]:
    """Return the database's clock as an SQL expression: when its row is written or read."""
    if db.engine.dialect.name == "sqlite":
        return literal(clock.machine_time(), UTCDateTime())
    return server_time()


def server_time() -> ColumnElement[datetime]:
    """Return the clock of a PostgreSQL server; unlike now(), it goes on within a transaction."""
    return func.clock_timestamp(type_=UTCDateTime())


def read_clock() -> Reading:
    """Read the database's clock; the time is that of the middle of the round trip."""
    asked = clock.uptime()
    time = fetch_one(select(database_time()))[0]
    error = (clock.uptime() - asked) / 2
    return Reading(time, asked + error, error)


@dataclass
class ClockFollower:
    """Sets the clock of the service by readings of the database's clock."""

    previous: Reading | None = None
    agreed_since: timedelta = timedelta(0)
    """The uptime of the first reading, or of the one that showed the last step."""
    stepped_at: timedelta | None = None
    """The uptime of the reading that showed the last step."""
    settled: datetime | None = None
    """When this machine started, by the last clock that agreed with all readings of a minute."""
    skew: timedelta = field(default=timedelta(0))
    """By how much this machine's clock is ahead of the clock of the service."""

    @property
    def is_wrong(self) -> bool:
        """Whether the skew is so large that operators must correct this machine's clock."""
        return abs(self.skew) > DEGRADED_ABOVE

    def follow(self) -> None:
        """Set the clock by a new reading, in a process that reads no feed."""
        self.apply(self.observe())

    def observe(self) -> Reading:
        """Read the database's clock and notice steps; the first reading sets the clock."""
        reading = read_clock()
        self._notice_step(reading)
        self.previous = reading
        if clock.start_time() is None:
            _set_first(reading)
        return reading

    def _notice_step(self, reading: Reading) -> None:
        previous = self.previous
        if previous is None:
            self.agreed_since = reading.uptime
            return
        change = reading.start_time - previous.start_time
        if abs(change) > STEP + previous.error + reading.error:
            self.agreed_since = self.stepped_at = reading.uptime
            logger().warning("The database's clock was set.", seconds=change.total_seconds())

    def has_stepped_within(self, duration: timedelta) -> bool:
        """Return whether the database's clock was set in the last `duration`."""
        return self.stepped_at is not None and clock.uptime() - self.stepped_at < duration

    def apply(self, reading: Reading) -> None:
        """Set the clock by a reading, unless it agrees or shows a step that is not yet believed.

        Forward at once: no token may outlive its time where this machine was paused. Back at once
        only if a step forward returns.
        """
        current = clock.start_time() or reading.start_time
        change = reading.start_time - current
        is_lasting = reading.uptime - self.agreed_since >= SETTLED_AFTER
        if abs(change) <= PRECISION + reading.error:
            self.settled = current if is_lasting else self.settled
        elif change > -STEP or is_lasting or self._returns(reading):
            clock.set_start_time(reading.start_time)
        self._report_skew()

    def _returns(self, reading: Reading) -> bool:
        """Return whether a reading agrees with the last settled clock, or none has settled."""
        return self.settled is None or abs(reading.start_time - self.settled) <= STEP

    def _report_skew(self) -> None:
        was_wrong = abs(self.skew) > WARN_ABOVE
        by_machine = clock.machine_start_time()
        self.skew = by_machine - (clock.start_time() or by_machine)
        seconds = round(self.skew.total_seconds(), 3)
        metrics.CLOCK_SKEW.set(seconds)
        if (abs(self.skew) > WARN_ABOVE) != was_wrong:
            message = "agrees again with" if was_wrong else "differs from"
            logger().warning(f"This machine's clock {message} the database's.", seconds=seconds)


def start_following(app: Flask) -> None:
    """Follow the database's clock in the background, in a process that reads no feed."""
    follower = ClockFollower()
    follower.follow()
    run_periodically(INTERVAL, app, "clock", follower.follow)


def follow_once() -> None:
    """Set the clock of a process that does not follow the database's clock, if it is not set."""
    if clock.start_time() is None:
        _set_first(read_clock())


def _set_first(reading: Reading) -> None:
    """Set the clock for the first time, by this machine's clock if it agrees with the reading."""
    by_machine = clock.machine_start_time()
    agrees = abs(reading.start_time - by_machine) <= PRECISION + reading.error
    clock.set_start_time(by_machine if agrees else reading.start_time)
