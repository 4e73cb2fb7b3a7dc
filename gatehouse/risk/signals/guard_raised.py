"""A right password while many accounts are being tried."""

from gatehouse.risk.signal import Attempt, Finding, History


class GuardRaised:
    """Whoever tries stolen passwords on many accounts finds one that fits, once in a while."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find a login while the guard is raised for its network, or for all."""
        tried = "Passwords were being tried on many accounts, from this network or from everywhere."
        return Finding(tried) if attempt.raised else None


piece = GuardRaised()
