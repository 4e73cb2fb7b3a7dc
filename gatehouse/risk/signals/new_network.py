"""Signal: the user has not signed in from this network recently."""

from gatehouse.risk.signal import Attempt, Finding, History


class NewNetwork:
    """Compares IP prefixes, so that another IP address of the same prefix is not new."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding for an IP prefix that no recent login came from."""
        known = {login.ip_prefix for login in history if login.ip_prefix}
        if not attempt.ip_prefix or not known or attempt.ip_prefix in known:
            return None
        return Finding(f"No recent login came from the network {attempt.ip_prefix}.")


plugin = NewNetwork()
