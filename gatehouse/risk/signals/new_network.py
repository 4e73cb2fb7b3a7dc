"""A network from which this person has not signed in lately."""

from gatehouse.risk.signal import Attempt, Finding, History


class NewNetwork:
    """Compares networks, so that a new address of the same provider's block is nothing new."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find a network that none of the latest logins came from."""
        known = {login.network for login in history if login.network}
        if not attempt.network or not known or attempt.network in known:
            return None
        return Finding(f"No recent login came from the network {attempt.network}.")


piece = NewNetwork()
