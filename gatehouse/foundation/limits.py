"""Limits of the routes, by the client's address: one readable table, and where the counts are kept.

With REDIS_URL they are kept there, else in the database, so that all workers share them. They only
slow down; guesses of codes are limited where those are checked.
"""

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from flask import Flask
from flask_limiter import Limiter
from limits.storage import Storage
from redis.exceptions import RedisError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

import config
from gatehouse.foundation import clock, crypto
from gatehouse.foundation.database import db
from gatehouse.foundation.errors import RateLimited
from gatehouse.foundation.logs import log
from gatehouse.foundation.visitor import visitor

LIMITS = {
    "login": "60 per minute",
    "register": "60 per minute",
    "refresh": "300 per minute",
    "verify": "60 per minute",
}
PREFIX = "gatehouse:1:fixed:"
"""Names the strategy: counters of another strategy under the same keys would be misread."""

PATIENCE = {"socket_connect_timeout": 1, "socket_timeout": 1}  # seconds, for Redis

Route = TypeVar("Route", bound=Callable[..., Any])


def network() -> str:
    """Return the digest of the client's network: an IPv4 address, or an IPv6 /64."""
    address = visitor().address
    if ":" in address:
        address = str(ipaddress.ip_network(f"{address}/64", strict=False))
    return crypto.keyed_digest("limit", address)[:32]


limiter = Limiter(
    network,
    strategy="fixed-window",
    key_prefix=PREFIX,
    in_memory_fallback_enabled=True,  # while the store is gone each worker counts for itself
)


def limited(name: str) -> Callable[[Route], Route]:
    """Charge the named limit of the table for each request of a route."""
    decorate = limiter.shared_limit(LIMITS[name], scope=name)

    def mark(route: Route) -> Route:
        limited_route = decorate(route)
        limited_route.limit = name  # type: ignore[attr-defined]
        return cast(Route, limited_route)

    return mark


def set_up(app: Flask) -> None:
    """Connect the limiter to its store, or silence it loudly."""
    settings = config.settings()
    app.config["RATELIMIT_ENABLED"] = settings.rate_limits
    app.config["RATELIMIT_STORAGE_URI"] = settings.redis_url or "db://"
    app.config["RATELIMIT_STORAGE_OPTIONS"] = PATIENCE
    limiter.init_app(app)
    if not settings.rate_limits:
        log().warning("The limits of the routes are off (GATEHOUSE_RATE_LIMITS=off).")


def purge() -> None:
    """Delete the counters whose window is over, in the current transaction."""
    over = text("DELETE FROM limit_counters WHERE expires_at < :now")
    db.session.execute(over, {"now": clock.now().timestamp()})


def refusal() -> RateLimited:
    """Return the refusal of the request that has just broken a limit."""
    broken = limiter.current_limit
    if broken is None:
        raise LookupError("no limit was broken")
    window = broken.limit.get_expiry()
    wait = min(window, max(1, int(broken.reset_at) - clock.seconds()))  # it is rounded up, twice
    return RateLimited(broken.limit.amount, window, wait)


def store_answers() -> bool:
    """Tell whether the counters can be reached."""
    try:
        return bool(limiter.storage.check())
    except RedisError:
        return False


class DatabaseStorage(Storage):
    """Counters in the table `limit_counters`, one upsert for each hit, shared by all workers."""

    STORAGE_SCHEME = ["db"]
    HIT = text(
        "INSERT INTO limit_counters (key, hits, expires_at) VALUES (:key, :amount, :expires_at)"
        " ON CONFLICT (key) DO UPDATE SET"
        " hits = CASE WHEN limit_counters.expires_at <= :now THEN excluded.hits"
        " ELSE limit_counters.hits + excluded.hits END,"
        " expires_at = CASE WHEN limit_counters.expires_at <= :now THEN excluded.expires_at"
        " ELSE limit_counters.expires_at END RETURNING hits"
    )

    def __init__(self, uri: str, wrap_exceptions: bool = False, **_patience: float) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)

    @property
    def base_exceptions(self) -> type[Exception]:
        """The errors of this store."""
        return SQLAlchemyError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count a hit; return the hits of the window of `expiry` seconds after its first."""
        now = clock.now().timestamp()
        row = {"key": key, "amount": amount, "now": now, "expires_at": now + expiry}
        with self._writing() as connection:
            return int(connection.execute(self.HIT, row).scalar_one())

    def get(self, key: str) -> int:
        """Return the hits of the current window."""
        row = {"key": key, "now": clock.now().timestamp()}
        found = "SELECT hits FROM limit_counters WHERE key = :key AND expires_at > :now"
        return int(self._read(found, row) or 0)

    def get_expiry(self, key: str) -> float:
        """Return when the current window ends, in seconds since 1970."""
        found = self._read("SELECT expires_at FROM limit_counters WHERE key = :key", {"key": key})
        return float(found or clock.now().timestamp())

    def check(self) -> bool:
        """Tell whether the store answers."""
        try:
            return bool(self._read("SELECT 1", {}) == 1)
        except SQLAlchemyError:
            return False

    def reset(self) -> int | None:
        """Forget all counters."""
        with self._writing() as connection:
            return int(connection.execute(text("DELETE FROM limit_counters")).rowcount)

    def clear(self, key: str) -> None:
        """Forget one counter."""
        with self._writing() as connection:
            one = text("DELETE FROM limit_counters WHERE key = :key")
            connection.execute(one, {"key": key})

    def _read(self, statement: str, row: dict[str, Any]) -> Any:
        with db.engine.connect() as connection:
            return connection.execute(text(statement), row).scalar()

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        connected = db.engine.connect().execution_options(writing=True)
        with connected as connection, connection.begin():
            yield connection
