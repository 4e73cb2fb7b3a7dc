"""Limits of the routes: one readable table, who is counted, and what is told to who has too many.

They only slow down; guesses are limited where passwords and codes are checked.
"""

import ipaddress
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, cast

from flask import Flask, current_app, request
from flask_limiter import Limiter
from limits import RateLimitItem, parse
from sqlalchemy import text

import config
from gatehouse.core import clock, crypto
from gatehouse.core.errors import RateLimited
from gatehouse.core.log import log
from gatehouse.database.session import db
from gatehouse.web.rate_limit_storage import Counters
from gatehouse.web.request_context import visitor


@dataclass(frozen=True)
class Limits:
    """How often a route may be asked; they are charged in this order, until one is broken."""

    address: str
    """By one network: an IPv4 address, or an IPv6 /64."""
    destination: str = ""
    """For one e-mail address or phone number in the body, whether or not anybody has it."""
    everyone: str = ""
    """By all together, where a request costs a password hash or a mail."""


LIMITS = {  # the reasons for the numbers are in docs/decisions/0015
    "login": Limits("60 per minute", everyone="6000 per minute"),  # and whatever takes a password
    "register": Limits("60 per minute", "10 per 10 minutes", everyone="1200 per minute"),
    "forgot": Limits("60 per minute", "10 per 10 minutes", everyone="1200 per minute"),
    "resend": Limits("60 per minute", "10 per 10 minutes", everyone="1200 per minute"),
    "reset": Limits("60 per minute", everyone="6000 per minute"),
    "change": Limits("60 per minute", "10 per 10 minutes", everyone="1200 per minute"),
    "link": Limits("60 per minute", "10 per 10 minutes", everyone="1200 per minute"),
    "verify": Limits("60 per minute", everyone="6000 per minute"),
    "invitation": Limits("60 per minute", everyone="6000 per minute"),
    "factor": Limits("60 per minute", everyone="6000 per minute"),  # whatever takes or sends a code
    "refresh": Limits("300 per minute"),
    "passkey": Limits("60 per minute", everyone="6000 per minute"),
    "logout": Limits("100 per minute"),
    "report": Limits("20 per minute"),
    "captcha": Limits("60 per minute"),
}

PREFIX = "gatehouse:2:fixed:"
"""Names the strategy: counters of another strategy under the same keys would be misread."""

Destination = Callable[[Mapping[str, Any]], str]
"""Finds the address or number that a body names, in its canonical form; nothing where is none."""
Route = TypeVar("Route", bound=Callable[..., Any])


def network() -> str:
    """Return the digest of the client's network."""
    address = visitor().address
    if ":" in address:
        address = str(ipaddress.ip_network(f"{address}/64", strict=False))
    return _digest("network", address)


def destination() -> str:
    """Return the digest of whom the request is about, or nothing where its body names nobody."""
    try:
        body = current_app.json.loads(request.get_data(cache=True))
    except ValueError:
        return ""
    canonical: Destination = current_app.extensions["gatehouse.destination"]
    named = canonical(body) if isinstance(body, dict) else ""
    return _digest("destination", named) if named else ""


def everyone() -> str:
    """Return the one key of all."""
    return "everyone"


COUNTED_BY = {"address": network, "destination": destination, "everyone": everyone}


@dataclass(frozen=True)
class Charge:
    """One limit of one route."""

    name: str
    kind: str
    rate: str

    @property
    def scope(self) -> str:
        """What tells its counters from those of other limits."""
        return f"{self.name}/{self.kind}"

    @property
    def item(self) -> RateLimitItem:
        """The quota and its window."""
        return parse(self.rate)

    @property
    def counted_by(self) -> Callable[[], str]:
        """Finds the digest of whom this request is counted for."""
        return COUNTED_BY[self.kind]

    def is_idle(self) -> bool:
        """Tell whether this request is nobody's."""
        return self.kind == "destination" and not destination()

    def mark(self, route: Route) -> Route:
        """Charge it for each request of a route."""
        decorate = limiter.shared_limit(
            self.rate, self.scope, key_func=self.counted_by, exempt_when=self.is_idle
        )
        return cast(Route, decorate(route))

    def wait(self) -> int:
        """Return the seconds until one more request would be let through by this limit, or 0."""
        key = self.item.key_for(PREFIX, self.counted_by(), self.scope)
        hits, left = cast(Counters, limiter.storage).peek(key)
        return math.ceil(left) if hits >= self.item.amount else 0

    def refusal(self, wait: int) -> RateLimited:
        """Return the refusal that names this limit."""
        return RateLimited(self.kind, self.item.amount, self.item.get_expiry(), wait)


def charges(name: str) -> Iterator[Charge]:
    """Yield the limits of a route, in the order in which they are charged."""
    return (Charge(name, kind, rate) for kind, rate in asdict(LIMITS[name]).items() if rate)


limiter = Limiter(network, strategy="fixed-window", key_prefix=PREFIX)


def limited(name: str) -> Callable[[Route], Route]:
    """Charge the limits of the table's row for each request of a route."""

    def mark(route: Route) -> Route:
        for charge in charges(name):
            route = charge.mark(route)
        route.limit = name  # type: ignore[attr-defined]
        return route

    return mark


def set_up(app: Flask, destination_of: Destination) -> None:
    """Connect the limiter to its store, or silence it loudly."""
    settings = config.settings()
    app.extensions["gatehouse.destination"] = destination_of
    app.config["RATELIMIT_ENABLED"] = settings.rate_limits
    store = f"bridged+{settings.redis_url}" if settings.redis_url else "db://"
    app.config["RATELIMIT_STORAGE_URI"] = store
    limiter.init_app(app)
    if not settings.rate_limits:
        log().warning("The limits of the routes are off (GATEHOUSE_RATE_LIMITS=off).")


def purge() -> None:
    """Delete the counters whose window is over, in the current transaction."""
    over = text("DELETE FROM limit_counters WHERE expires_at < :now")
    db.session.execute(over, {"now": clock.now().timestamp()})


def refusal() -> RateLimited:
    """Return the refusal of the request that has just broken a limit.

    It names the limit that has to be waited for longest, so that the request succeeds after that.
    """
    route: Any = current_app.view_functions[request.endpoint or ""]
    waits = [(charge.wait(), charge) for charge in charges(route.limit) if not charge.is_idle()]
    wait, charge = max(waits, key=lambda found: found[0])
    return charge.refusal(max(1, wait))  # none is left where a window has ended just now


def store_answers() -> bool:
    """Tell whether the counters can be reached."""
    return bool(limiter.storage.check())


def _digest(kind: str, value: str) -> str:
    return crypto.keyed_digest(f"limit {kind}", value)[:32]
