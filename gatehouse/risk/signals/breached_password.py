"""Signal: the password is in a list of breached passwords."""

from gatehouse.risk.signal import Attempt, Finding, History


class BreachedPassword:
    """Reports the result of the breach check that runs when the password is verified."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding for a breached password."""
        explanation = "The password is in a list of breached passwords."
        return Finding(explanation) if attempt.breached else None


plugin = BreachedPassword()
