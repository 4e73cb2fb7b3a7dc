"""Signal: the user has not signed in on this device before."""

from gatehouse.risk.signal import Attempt, Finding, History
from gatehouse.web.user_agent import device_name


class NewDevice:
    """Recognises a device by its token only: without a token it is new at every login."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding for a new device of an account that has been used before."""
        if attempt.device_known is not False or not history:
            return None
        device = device_name(attempt.user_agent)
        return Finding(f"There was no login to this account on this device before: {device}.")


plugin = NewDevice()
