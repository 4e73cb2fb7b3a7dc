"""Rate limits of the routes: the table of limits, the counter keys, and the 429 error.

They only slow clients down; attempts at passwords and codes are limited where these are checked.
"""

import ipaddress
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g, request
from flask_limiter import Limiter, RateLimitExceeded
from limits import RateLimitItem, parse
from sqlalchemy import text

import config
from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.core.errors import RateLimited
from gatehouse.core.log import logger
from gatehouse.database.session import db
from gatehouse.settings.route_limits import ROUTE_LIMITS
from gatehouse.web.rate_limit_storage import Counters
from gatehouse.web.request_context import request_context

FORM = "application/x-www-form-urlencoded"
IDEMPOTENCY_HEADER = "Idempotency-Key"
KEY_PREFIX = "gatehouse:2:fixed:"
"""Contains the strategy: counters of different strategies must not share keys."""

RecipientFinder = Callable[[Mapping[str, object]], str]
"""Returns the canonical e-mail address or phone number in a body, or ""."""
Route = TypeVar("Route", bound=Callable[..., object])


def network_key() -> str:
    """Return the digest of the client's network."""
    network = request_context().ip_address
    if ":" in network:
        network = str(ipaddress.ip_network(f"{network}/64", strict=False))
    return _digest("network", network)


def recipient_key() -> str:
    """Return the digest of the recipient in the request's body, or "" if there is none."""
    find_recipient: RecipientFinder = current_app.extensions["gatehouse.recipient"]
    recipient = find_recipient(_read_body())
    return _digest("destination", recipient) if recipient else ""


def _read_body() -> Mapping[str, object]:
    """Return the members of a JSON object, or the fields of a form of the pages."""
    if request.mimetype == FORM:
        return request.form
    try:
        body = current_app.json.loads(request.get_data(cache=True))
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def recipient_and_network_key() -> str:
    """Return the digest of the recipient and the client's network, or "" without a recipient.

    An IPv6 network is the /56 of a household here: it has 256 /64 networks.
    """
    context, recipient = request_context(), recipient_key()
    network = context.ip_prefix if ":" in context.ip_address else context.ip_address
    return _digest("destination and network", f"{recipient} {network}") if recipient else ""


def overall_key() -> str:
    """Return the key that all clients share."""
    return "everyone"


KEY_FUNCTIONS = {
    "ip_address": network_key,
    "recipient_and_network": recipient_and_network_key,
    "recipient": recipient_key,
    "overall": overall_key,
}


@dataclass(frozen=True)
class RateLimitRule:
    """One limit of one route."""

    name: str
    kind: str

    @property
    def rate(self) -> str:
        """The quota of the running application.

        All windows are in seconds: Flask-Limiter would sort those of other units.
        """
        limits = getattr(config.settings(), f"limit_{self.name}")
        item = parse(getattr(limits, self.kind))
        return f"{item.amount} per {item.get_expiry()} second"

    @property
    def scope(self) -> str:
        """The prefix of its counters."""
        return f"{self.name}/{self.kind}"

    @property
    def item(self) -> RateLimitItem:
        """The quota and its window."""
        return parse(self.rate)

    @property
    def key_function(self) -> Callable[[], str]:
        """The function that returns the counter key of the current request."""
        return KEY_FUNCTIONS[self.kind]

    def not_applicable(self) -> bool:
        """Return whether this request has no recipient to count."""
        return self.kind.startswith("recipient") and not recipient_key()

    def apply_to(self, route: Route) -> Route:
        """Count each request of a route."""
        limit, exempt = (lambda: self.rate), self.not_applicable
        decorate = limiter.shared_limit(
            limit, self.scope, key_func=self.key_function, exempt_when=exempt
        )
        return cast(Route, decorate(route))

    def resets_in(self) -> int:
        """Return the seconds until this limit allows another request, or 0."""
        key = self.item.key_for(KEY_PREFIX, self.key_function(), self.scope)
        hits, seconds_left = cast(Counters, limiter.storage).peek(key)
        return math.ceil(seconds_left) if hits >= self.item.amount else 0

    def to_error(self, retry_after: int) -> RateLimited:
        """Return the error that names this limit; `retry_after` is in seconds."""
        return RateLimited(self.kind, self.item.amount, self.item.get_expiry(), retry_after)


def rules_for(name: str) -> Iterator[RateLimitRule]:
    """Yield the limits of a route, in the order in which they are counted."""
    return (RateLimitRule(name, kind) for kind, rate in asdict(ROUTE_LIMITS[name]).items() if rate)


limiter = Limiter(network_key, strategy="fixed-window", key_prefix=KEY_PREFIX)


def rate_limit(name: str) -> Callable[[Route], Route]:
    """Apply the limits of a row of `ROUTE_LIMITS` to a route.

    A repeated request (`Idempotency-Key`) may pass an exceeded limit: see `require_limit_left`.
    """

    def decorate_route(route: Route) -> Route:
        limited = route
        for rule in rules_for(name):
            limited = rule.apply_to(limited)

        @wraps(route)
        def wrapper(*arguments: object, **named: object) -> object:
            try:
                return limited(*arguments, **named)
            except RateLimitExceeded as error:
                if not (
                    getattr(route, "idempotent", False) and IDEMPOTENCY_HEADER in request.headers
                ):
                    raise
                g.exceeded_limit = error
            return route(*arguments, **named)

        wrapper.limit = name  # type: ignore[attr-defined]
        return cast(Route, wrapper)

    return decorate_route


def require_quota(name: str) -> None:
    """Require that no limit of a row of `ROUTE_LIMITS` is exceeded, for what is counted by itself.

    Raises:
        RateLimited: one is.
    """
    for rule in rules_for(name) if limiter.enabled else ():
        if seconds := rule.resets_in():
            raise rule.to_error(seconds)


def count_hit(name: str) -> None:
    """Count once for the limits of a row of `ROUTE_LIMITS`."""
    for rule in rules_for(name) if limiter.enabled else ():
        key = rule.item.key_for(KEY_PREFIX, rule.key_function(), rule.scope)
        cast(Counters, limiter.storage).incr(key, rule.item.get_expiry())


def require_limit_left() -> None:
    """Raise the error of the limit that the request exceeded, because it is no repetition.

    Raises:
        RateLimitExceeded: the request exceeded a limit, and its response is not stored.
    """
    if "exceeded_limit" in g:
        raise g.exceeded_limit


def set_up(app: Flask, recipient_of: RecipientFinder) -> None:
    """Connect the limiter to its store; if limits are off, log a warning."""
    settings = config.settings()
    app.extensions["gatehouse.recipient"] = recipient_of
    app.config["RATELIMIT_ENABLED"] = settings.rate_limits
    store = f"fallback+{settings.redis_url}" if settings.redis_url else "db://"
    app.config["RATELIMIT_STORAGE_URI"] = store
    app.config["RATELIMIT_STORAGE_OPTIONS"] = {"authorities": settings.ca_bundle}
    limiter.init_app(app)
    if not settings.rate_limits:
        logger().warning("Rate limits are off (GATEHOUSE_RATE_LIMITS=off).")


def purge_expired_counters() -> None:
    """Delete the counters whose window has ended, in the current transaction."""
    delete_expired = text("DELETE FROM limit_counters WHERE expires_at < :now")
    db.session.execute(delete_expired, {"now": clock.now().timestamp()})


def rate_limited_error() -> RateLimited:
    """Return the error of the request that has just exceeded a limit.

    It names the limit with the longest wait, so that a request after `Retry-After` succeeds.
    """
    route: Any = current_app.view_functions[request.endpoint or ""]
    waits = [
        (rule.resets_in(), rule) for rule in rules_for(route.limit) if not rule.not_applicable()
    ]
    seconds, rule = max(waits, key=lambda wait: wait[0])
    return rule.to_error(max(1, seconds))  # 0 if the window has ended just now


def is_storage_reachable() -> bool:
    """Return whether the store of the counters answers."""
    return bool(limiter.storage.check())


def _digest(kind: str, value: str) -> str:
    return crypto.keyed_digest(f"{crypto_labels.RATE_LIMIT_PREFIX}{kind}", value)[:32]
