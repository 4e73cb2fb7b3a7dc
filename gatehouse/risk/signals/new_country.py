"""A country from which this person has not signed in lately."""

from gatehouse.risk.signal import Attempt, Finding, History


class NewCountry:
    """Needs a GeoIP file."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find a country that none of the latest logins came from."""
        known = {login.place.country for login in history if login.place}
        if not attempt.place or not known or attempt.place.country in known:
            return None
        return Finding(f"No recent login came from the country {attempt.place.country}.")


piece = NewCountry()
