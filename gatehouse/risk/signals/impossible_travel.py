"""Somebody who is farther away from their last login than they can have come."""

from gatehouse.risk.geoip import Place, kilometres
from gatehouse.risk.signal import Attempt, Finding, History

FASTEST = 1000  # kilometres per hour: an airliner, with the wind behind it
NEAR = 500  # kilometres that a provider's exit may be away from its customer
HOUR = 3600  # seconds


class ImpossibleTravel:
    """Needs a GeoIP file; where that knows countries only, the nearest ends of two count."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Find a distance from the last login that takes longer than the time since then."""
        last = next((login for login in history if login.place and login.place.spot), None)
        if not last or not last.place or not attempt.place:
            return None
        distance = least_distance(last.place, attempt.place)
        hours = max(0.0, (attempt.at - last.at).total_seconds() / HOUR)
        if distance <= NEAR or distance <= hours * FASTEST:
            return None
        return Finding(f"The login {hours:.1f} hours before was at least {distance:.0f} km away.")


def least_distance(one: Place, other: Place) -> float:
    """Return how far apart two places are at the least, in kilometres; 0 if one is nowhere."""
    if not one.spot or not other.spot:
        return 0.0
    return max(0.0, kilometres(one.spot, other.spot) - one.reach - other.reach)


piece = ImpossibleTravel()
