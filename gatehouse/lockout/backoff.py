"""Backoff schedules: how long to wait after how many consecutive failures."""

from datetime import timedelta

BackoffSchedule = dict[int, timedelta]
"""The wait by the number of consecutive failures from which it applies."""
DEFAULT_BACKOFF: BackoffSchedule = {
    5 + n: timedelta(seconds=min(30 * 2**n, 3600)) for n in range(8)
}
"""Of a device or a network: 30 seconds from the fifth failure, doubled each time up to an hour."""
CODE_BACKOFF: BackoffSchedule = {25: timedelta(hours=1)}
"""For codes: each code allows five attempts itself, and requesting a new one adds none here."""
MAX_FAILURES = 100  # NIST SP 800-63B-4 section 3.2.2: no more than 100 consecutive failures
UNTIL_UNLOCKED = timedelta(days=36_500)
ACCOUNT_LOCK: BackoffSchedule = {MAX_FAILURES: UNTIL_UNLOCKED}
"""Of the total over all unknown devices: until the account is unlocked."""
CODE_CLOSURE: BackoffSchedule = {MAX_FAILURES: timedelta(hours=24)}
"""Of the total for codes, which then starts again: no one can unlock an unknown identifier."""
PASSWORD, CODE, FACTOR = "password", "code", "factor"
BACKOFF_BY_KIND = {PASSWORD: DEFAULT_BACKOFF, CODE: CODE_BACKOFF, FACTOR: DEFAULT_BACKOFF}
"""Factors have counters of their own, which the right password does not reset."""
TOTAL_BACKOFF_BY_KIND = {PASSWORD: ACCOUNT_LOCK, CODE: CODE_CLOSURE, FACTOR: ACCOUNT_LOCK}
"""Of the total over all unknown devices."""
PREFIX_MULTIPLIER = 4
"""All networks of an IPv6 prefix together may fail as often as this many networks."""
PREFIX_BACKOFF_BY_KIND = {
    kind: {PREFIX_MULTIPLIER * failures: wait for failures, wait in schedule.items()}
    for kind, schedule in BACKOFF_BY_KIND.items()
}


def wait_after(schedule: BackoffSchedule, failures: int) -> timedelta:
    """Return the wait that so many consecutive failures lead to."""
    reached = [wait for threshold, wait in schedule.items() if failures >= threshold]
    return max(reached, default=timedelta(0))
