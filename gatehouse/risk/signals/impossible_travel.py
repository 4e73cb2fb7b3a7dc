"""Signal: the distance from the last login is too great for the time in between."""

from gatehouse.risk.geoip import GeoLocation, distance_km
from gatehouse.risk.signal import Attempt, Finding, History

MAX_SPEED_KMH = 1000  # an airliner with tailwind
IGNORED_DISTANCE_KM = 500  # how far a provider's gateway may be from its customer
HOUR_SECONDS = 3600


class ImpossibleTravel:
    """Needs a GeoIP database; with countries only, their smallest distance counts."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding if the distance from the last login takes longer than the time since."""
        last = next(
            (login for login in history if login.location and login.location.coordinates), None
        )
        if not last or not last.location or not attempt.location:
            return None
        distance = min_distance_km(last.location, attempt.location)
        hours = max(0.0, (attempt.at - last.at).total_seconds() / HOUR_SECONDS)
        if distance <= IGNORED_DISTANCE_KM or distance <= hours * MAX_SPEED_KMH:
            return None
        return Finding(f"The login {hours:.1f} hours before was at least {distance:.0f} km away.")


def min_distance_km(one: GeoLocation, other: GeoLocation) -> float:
    """Return the smallest possible distance, in kilometres; 0 if one has no coordinates."""
    if not one.coordinates or not other.coordinates:
        return 0.0
    return max(
        0.0,
        distance_km(one.coordinates, other.coordinates)
        - one.accuracy_radius_km
        - other.accuracy_radius_km,
    )


plugin = ImpossibleTravel()
