"""Signal: the IP address is in a network that the operator has listed."""

from gatehouse.risk.signal import Attempt, Finding, History


class KnownBadNetwork:
    """Uses the networks in GATEHOUSE_BAD_NETWORKS."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding for an IP address in a listed network."""
        if not attempt.listed_network:
            return None
        return Finding(
            f"The IP address is in {attempt.listed_network}, which the operator has listed."
        )


plugin = KnownBadNetwork()
