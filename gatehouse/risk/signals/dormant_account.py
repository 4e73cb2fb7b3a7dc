"""Signal: the account has not been used for a long time."""

from datetime import timedelta

from gatehouse.risk.signal import Attempt, Finding, History

DORMANT_AFTER = timedelta(days=90)


class DormantAccount:
    """The takeover of an abandoned account goes unnoticed."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding if the last login was 90 days ago or more."""
        if not history or (dormant := attempt.at - history[0].at) < DORMANT_AFTER:
            return None
        return Finding(f"There had been no login to this account for {dormant.days} days.")


plugin = DormantAccount()
