"""An account that nobody has used for long."""

from datetime import timedelta

from gatehouse.risk.signal import Attempt, Finding, History

LONG = timedelta(days=90)


class DormantAccount:
    """A forgotten account is taken over unnoticed."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find a last login that was ninety days ago or more."""
        if not history or (rested := attempt.at - history[0].at) < LONG:
            return None
        return Finding(f"Nobody had signed in to this account for {rested.days} days.")


piece = DormantAccount()
