"""Signal: credential stuffing is in progress."""

from gatehouse.risk.signal import Attempt, Finding, History


class CredentialStuffing:
    """An attacker who tries leaked passwords on many accounts eventually finds a right one."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding while the alarm is active for the IP prefix or for all."""
        explanation = (
            "Passwords were being tried on many accounts, from this network or everywhere."
        )
        return Finding(explanation) if attempt.credential_stuffing else None


plugin = CredentialStuffing()
