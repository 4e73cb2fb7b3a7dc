"""Signal: the user has not signed in from this country recently."""

from gatehouse.risk.signal import Attempt, Finding, History


class NewCountry:
    """Needs a GeoIP database."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding for a country that no recent login came from."""
        known = {login.location.country for login in history if login.location}
        if not attempt.location or not known or attempt.location.country in known:
            return None
        return Finding(f"No recent login came from the country {attempt.location.country}.")


plugin = NewCountry()
