"""The clock of the service; all times are timezone-aware and in UTC."""

import time
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Earlier than any stored time."""


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def unix_time() -> int:
    """Return the current time as a NumericDate (RFC 7519 section 2): whole seconds since 1970."""
    return int(time.time())


def monotonic() -> float:
    """Return seconds since an arbitrary fixed point, to measure durations."""
    return time.monotonic()


def format_rfc3339(moment: datetime) -> str:
    """Format a time as RFC 3339 in UTC with `Z`, in whole milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
