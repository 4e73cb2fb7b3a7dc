"""The one clock of the service; all times are aware and UTC."""

import time
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Before everything that was ever written here."""


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def seconds() -> int:
    """Return the current time as a NumericDate (RFC 7519 section 2): whole seconds since 1970."""
    return int(time.time())


def monotonic() -> float:
    """Return seconds since some fixed point, for measuring how long something took."""
    return time.monotonic()


def rfc3339(moment: datetime) -> str:
    """Return the moment as RFC 3339 in UTC with `Z`, in whole milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
