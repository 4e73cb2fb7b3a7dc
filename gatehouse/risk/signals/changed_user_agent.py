"""A session that goes on with another program."""

from gatehouse.risk.signal import Attempt, Finding, History
from gatehouse.web.user_agent import device_name, is_same_program


class ChangedUserAgent:
    """A stolen token is seldom used with its owner's browser; an update of that is no other one."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find another program, or system, than the session was used with before."""
        if attempt.before is None or not attempt.before.user_agent:
            return None
        if is_same_program(attempt.before.user_agent, attempt.user_agent):
            return None
        before, now = device_name(attempt.before.user_agent), device_name(attempt.user_agent)
        return Finding(f"The session was used with {before}, and goes on with {now}.")


piece = ChangedUserAgent()
