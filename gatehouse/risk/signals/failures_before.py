"""Signal: several wrong passwords came before the right one."""

from gatehouse.risk.signal import Attempt, Finding, History

HERE_THRESHOLD = 3
UNKNOWN_DEVICES_THRESHOLD = 20


class FailuresBefore:
    """Uses the failure counters of `lockout.service`."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding for 3 failures in a row from here, or 20 from all unknown devices."""
        here, elsewhere = attempt.failures_here or 0, attempt.failures_from_unknown_devices or 0
        if here >= HERE_THRESHOLD:
            return Finding(f"{here} wrong passwords in a row came from here before.")
        if elsewhere >= UNKNOWN_DEVICES_THRESHOLD:
            return Finding(f"Unknown devices sent {elsewhere} wrong passwords before.")
        return None


plugin = FailuresBefore()
