"""Signal: the user does not usually sign in at this time of day."""

from datetime import datetime, timedelta

from gatehouse.risk.signal import Attempt, Finding, History

MIN_LOGINS = 10  # fewer show no habit
TOLERANCE = timedelta(hours=3)
DAY = timedelta(days=1)


class UnusualHour:
    """Compares the time of day with those of recent logins, across midnight too."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding if each of 10 or more logins was over 3 hours away in time of day."""
        if len(history) < MIN_LOGINS:
            return None
        if min(time_of_day_distance(attempt.at, login.at) for login in history) <= TOLERANCE:
            return None
        return Finding(f"No recent login was within three hours of {attempt.at:%H:%M} UTC.")


def time_of_day_distance(one: datetime, other: datetime) -> timedelta:
    """Return the difference of two times of day, the shorter way round the clock."""
    distance = abs(one - other) % DAY
    return min(distance, DAY - distance)


plugin = UnusualHour()
