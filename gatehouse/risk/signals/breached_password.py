"""A right password that thieves have as well."""

from gatehouse.risk.signal import Attempt, Finding, History


class BreachedPassword:
    """Takes the fact from where passwords are verified."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find a password that stands in a list of stolen ones."""
        stolen = "The password stands in a list of stolen passwords."
        return Finding(stolen) if attempt.breached else None


piece = BreachedPassword()
