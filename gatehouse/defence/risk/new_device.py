"""A device on which this person has not signed in before."""

from gatehouse.defence.signal import Attempt, Finding, History
from gatehouse.foundation.device import device_name


class NewDevice:
    """Knows a device by its token, and one that keeps no token by its browser and network."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find a device that is new to an account that has been used before."""
        if attempt.device_known is not False or not history or _is_usual(attempt, history):
            return None
        device = device_name(attempt.user_agent)
        return Finding(f"Nobody has signed in to this account on this device before: {device}.")


def _is_usual(attempt: Attempt, history: History) -> bool:
    """Tell whether the same browser signed in from the same network: its cookie may be gone."""
    seen = {(login.user_agent, login.network) for login in history}
    return bool(attempt.user_agent) and (attempt.user_agent, attempt.network) in seen


piece = NewDevice()
