"""The contract of risk signals and their input: facts of this service, not claims of clients."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gatehouse.risk.geoip import GeoLocation


@dataclass(frozen=True)
class Login:
    """An earlier login of the account that succeeded, or the last use of a session."""

    at: datetime
    ip_prefix: str = ""
    user_agent: str = ""
    location: GeoLocation | None = None


@dataclass(frozen=True)
class Attempt:
    """A login after authentication, or the next use of a session; unknown facts are None."""

    at: datetime
    ip_prefix: str = ""
    """An IPv4 /24 or an IPv6 /56, as `RequestContext.ip_prefix`."""
    user_agent: str = ""
    location: GeoLocation | None = None
    """The location of the IP address according to the GeoIP database."""
    device_known: bool | None = None
    """Whether the user has signed in on this device before, by its token."""
    failures_here: int | None = None
    """Wrong passwords in a row from this device or network, just before this login."""
    failures_from_unknown_devices: int | None = None
    """Wrong passwords in a row from all unknown devices."""
    breached: bool | None = None
    """Whether the password is in a list of breached passwords."""
    listed_network: str | None = None
    """The network of GATEHOUSE_BAD_NETWORKS that contains the IP address; empty if none does."""
    credential_stuffing: bool | None = None
    """Whether `lockout.credential_stuffing` is active for the IP prefix; for logins only."""
    last_use: Login | None = None
    """The previous use of the session; None for a login."""


History = tuple[Login, ...]
"""The latest logins to the account before the attempt, newest first; 50 at most."""


@dataclass(frozen=True)
class Finding:
    """Something unusual about a login, explained in one sentence."""

    explanation: str


class Signal(Protocol):
    """A signal detects one kind of unusual login."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return a finding, or None; pure, so that the same facts give the same result.

        Returns None if a fact that it needs is unknown.
        """
        ...
