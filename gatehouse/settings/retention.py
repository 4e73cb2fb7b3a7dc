"""Settings that say how long data is kept after it was needed."""

from dataclasses import dataclass
from datetime import timedelta

from gatehouse.settings.field import setting
from gatehouse.settings.parsers import duration

FOR_EVER = timedelta(0)


def audit_period(value: str) -> timedelta:
    """seconds, 7776000 to 315360000, or 0"""
    return FOR_EVER if value == "0" else duration(7_776_000, 315_360_000)(value)


@dataclass(frozen=True, kw_only=True)
class RetentionSettings:
    """How long data is kept.

    A job deletes what is older, every ten minutes; [personal data](personal-data.md) lists all.
    """

    ended_session_retention: timedelta = setting(duration(0, 31_536_000), "2592000")
    """How long ended sessions are kept, with IP address and device (30 days)."""
    message_retention: timedelta = setting(duration(86_400, 31_536_000), "604800")
    """How long messages that were sent or given up are kept (7 days)."""
    audit_retention: timedelta = setting(audit_period, "63072000")
    """How long the events of the audit log are kept (two years; 90 days at least); `0` for ever."""
