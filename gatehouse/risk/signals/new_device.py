"""A device on which this person has not signed in before."""

from gatehouse.risk.signal import Attempt, Finding, History
from gatehouse.web.user_agent import device_name


class NewDevice:
    """Knows a device by its token alone: whoever keeps none is new each time."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find a device that is new to an account that has been used before."""
        if attempt.device_known is not False or not history:
            return None
        device = device_name(attempt.user_agent)
        return Finding(f"Nobody has signed in to this account on this device before: {device}.")


piece = NewDevice()
