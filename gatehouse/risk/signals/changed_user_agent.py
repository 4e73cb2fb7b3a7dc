"""Signal: the session continues with another browser or operating system."""

from gatehouse.risk.signal import Attempt, Finding, History
from gatehouse.web.user_agent import device_name, is_same_program


class ChangedUserAgent:
    """Stolen tokens are rarely used with the owner's browser; an updated browser is the same."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding for a browser or operating system other than at the last use."""
        if attempt.last_use is None or not attempt.last_use.user_agent:
            return None
        if is_same_program(attempt.last_use.user_agent, attempt.user_agent):
            return None
        before, now = device_name(attempt.last_use.user_agent), device_name(attempt.user_agent)
        return Finding(f"The session was used with {before}, and continues with {now}.")


plugin = ChangedUserAgent()
