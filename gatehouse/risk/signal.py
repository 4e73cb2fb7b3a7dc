"""The contract of a risk signal, and what it may know: facts of ours, never a client's word."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gatehouse.risk.geoip import Place


@dataclass(frozen=True)
class Login:
    """An earlier login of the account that succeeded, or the last use of a session."""

    at: datetime
    network: str = ""
    user_agent: str = ""
    place: Place | None = None


@dataclass(frozen=True)
class Attempt:
    """A login by somebody who has proved who they are, or a session of theirs that goes on.

    What is not known is None.
    """

    at: datetime
    network: str = ""
    """As `Visitor.site`: an IPv4 /24 or an IPv6 /56."""
    user_agent: str = ""
    place: Place | None = None
    """Where the address is, as the operator's GeoIP file says."""
    device_known: bool | None = None
    """Whether the person has signed in on this device before, by its token."""
    failures: int | None = None
    """Wrong passwords in a row from here, just before this login."""
    strangers: int | None = None
    """Wrong passwords in a row from all unknown devices together."""
    breached: bool | None = None
    """Whether the password stands in a list of stolen ones."""
    listed: str | None = None
    """The network of the operator's list that the address belongs to; nothing where in none."""
    raised: bool | None = None
    """Whether the guard is raised for the network (see `defence.guard`); of a login only."""
    before: Login | None = None
    """Where and with what the session was used before; a login has none."""


History = tuple[Login, ...]
"""The account's latest logins before the attempt, the newest first; 50 at most."""


@dataclass(frozen=True)
class Finding:
    """Something about a login that stands out, in one sentence for people."""

    sentence: str


class Signal(Protocol):
    """Looks for one thing that stands out."""

    def score(self, attempt: Attempt, history: History) -> Finding | None:
        """Return what stands out, or None; pure: the same facts give the same answer.

        Where a fact that it needs is not known, nothing stands out.
        """
        ...
