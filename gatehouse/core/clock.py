"""The clock of the service; all times are timezone-aware and in UTC.

The database's clock decides, so that all replicas agree (see `database.clock`). What is kept of it
is its time when this machine started; the machine's uptime carries it on. The machine's own clock
counts only until the database's has been read.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Earlier than any stored time."""
_UPTIME_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass
class Timeline:
    """The clock of this process: when this machine started; None before it is known."""

    started_at: datetime | None = None
    latest_started_at: datetime | None = None
    """The latest of all: by the clock that was set back, if one was."""


timeline = Timeline()


def now() -> datetime:
    """Return the current time."""
    started_at = timeline.started_at
    return machine_time() if started_at is None else started_at + uptime()


def unix_time() -> int:
    """Return the current time as a NumericDate (RFC 7519 section 2): whole seconds since 1970."""
    return int(now().timestamp())


def latest_time() -> datetime:
    """Return the time as it would be if the clock had never been set back."""
    latest = timeline.latest_started_at
    return now() if latest is None else latest + uptime()


def start_time() -> datetime | None:
    """Return when this machine started by the clock of the service; None before it was set."""
    return timeline.started_at


def set_start_time(started_at: datetime | None) -> None:
    """Set the clock: it shows `started_at` plus the uptime, or this machine's time if None."""
    latest = timeline.latest_started_at
    timeline.latest_started_at = max(latest or started_at, started_at) if started_at else None
    timeline.started_at = started_at


def machine_time() -> datetime:
    """Return the time by this machine's clock, which may be wrong or set."""
    return datetime.now(UTC)


def machine_start_time() -> datetime:
    """Return when this machine started by its own clock; setting that clock moves it."""
    return machine_time() - uptime()


def uptime() -> timedelta:
    """Return how long this machine has run, suspended or not (on Linux); no clock setting moves it.

    Processes of one machine, also forked ones, have the same uptime.
    """
    return timedelta(microseconds=time.clock_gettime_ns(_UPTIME_CLOCK) // 1000)


def monotonic() -> float:
    """Return seconds since an arbitrary fixed point, to measure durations."""
    return time.monotonic()


def format_rfc3339(moment: datetime) -> str:
    """Format a time as RFC 3339 in UTC with `Z`, in whole milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
