"""A time of the day at which this person does not sign in."""

from datetime import datetime, timedelta

from gatehouse.risk.signal import Attempt, Finding, History

ENOUGH = 10  # logins, before anybody has a habit
APART = timedelta(hours=3)
DAY = timedelta(days=1)


class UnusualHour:
    """Compares the time of the day with that of the latest logins; midnight is no border."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find a time from which each of ten logins or more was over three hours away."""
        if len(history) < ENOUGH:
            return None
        if min(apart(attempt.at, login.at) for login in history) <= APART:
            return None
        return Finding(f"No recent login was within three hours of {attempt.at:%H:%M} UTC.")


def apart(one: datetime, other: datetime) -> timedelta:
    """Return how far two times of the day are apart, the shorter way round the clock."""
    distance = abs(one - other) % DAY
    return min(distance, DAY - distance)


piece = UnusualHour()
