"""A network that the operator has listed."""

from gatehouse.risk.signal import Attempt, Finding, History


class KnownBadNetwork:
    """The list is GATEHOUSE_BAD_NETWORKS."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find an address of the list."""
        if not attempt.listed:
            return None
        return Finding(f"The address belongs to {attempt.listed}, which the operator has listed.")


piece = KnownBadNetwork()
