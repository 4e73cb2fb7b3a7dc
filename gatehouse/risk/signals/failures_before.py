"""A right password after several wrong ones."""

from gatehouse.risk.signal import Attempt, Finding, History

HERE = 3
ANYWHERE = 20


class FailuresBefore:
    """Looks at the counts that the lockout keeps (see `defence.throttle`)."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find three wrong passwords in a row from here, or twenty from strangers in all."""
        if (attempt.failures or 0) >= HERE:
            return Finding(f"{attempt.failures} wrong passwords in a row came from here before.")
        if (attempt.strangers or 0) >= ANYWHERE:
            return Finding(f"Unknown devices sent {attempt.strangers} wrong passwords before.")
        return None


piece = FailuresBefore()
