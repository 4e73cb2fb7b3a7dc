"""Storage of the rate limit counters: the database, or Redis with the database as fallback.

A window starts with its first hit. In either store each hit is one atomic operation and one round
trip.
"""

import threading
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from limits.storage import Storage
from redis import ConnectionError as ConnectionLost
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from gatehouse.core import clock
from gatehouse.core.log import logger
from gatehouse.database import refunds
from gatehouse.database.session import autocommit_connection, autocommit_write_connection

REDIS_TIMEOUT = 0.5
"""Seconds without a reply after which Redis is considered unavailable."""
RETRY_INTERVAL = 3.0
"""Seconds to wait before trying an unavailable Redis again."""

Result = TypeVar("Result")


class Counters(Storage):
    """The storage interface of Flask-Limiter, and `peek`."""

    def __init__(self, uri: str, wrap_exceptions: bool = False, authorities: str = "") -> None:
        """Create the storage; `authorities` are the certificates to trust, for Redis by TLS."""
        super().__init__(uri, wrap_exceptions=wrap_exceptions)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """The exceptions that the stores can raise."""
        return (SQLAlchemyError, RedisError)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a hit, which a request that is answered 503 gets back; return those of its window.

        The window ends `expiry` seconds after its first hit.
        """
        hits = self.add(key, expiry, amount)
        refunds.add_refund(("hit", key), partial(self.subtract, key, amount), is_attempt=False)
        return hits

    @abstractmethod
    def add(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a hit; return the hits of the window of `expiry` seconds after the first hit."""

    @abstractmethod
    def subtract(self, key: str, amount: int = 1) -> None:
        """Give hits of the current window back, if it has any."""

    @abstractmethod
    def peek(self, key: str) -> tuple[int, float]:
        """Return the hits of the current window and the seconds until it ends."""

    def get(self, key: str) -> int:
        """Return the hits of the current window."""
        return self.peek(key)[0]

    def get_expiry(self, key: str) -> float:
        """Return the end of the current window, in seconds since 1970."""
        return clock.now().timestamp() + self.peek(key)[1]

    def reset(self) -> None:
        """Raise TypeError: windows end by expiry only."""
        raise TypeError("rate limit windows end by expiry only")

    def clear(self, key: str) -> None:
        """Raise TypeError: windows end by expiry only."""
        raise TypeError("rate limit windows end by expiry only")


class DatabaseCounters(Counters):
    """Counters in the table `limit_counters`: one upsert per hit, shared by all workers."""

    STORAGE_SCHEME = ["db"]
    INCREMENT_COUNTER = text(
        "INSERT INTO limit_counters (key, hits, expires_at) VALUES (:key, :amount, :expires_at)"
        " ON CONFLICT (key) DO UPDATE SET"
        " hits = CASE WHEN limit_counters.expires_at <= :now THEN excluded.hits"
        " ELSE limit_counters.hits + excluded.hits END,"
        " expires_at = CASE WHEN limit_counters.expires_at <= :now THEN excluded.expires_at"
        " ELSE limit_counters.expires_at END RETURNING hits"
    )
    DECREMENT_COUNTER = text(
        "UPDATE limit_counters SET hits = hits - :amount"
        " WHERE key = :key AND hits >= :amount AND expires_at > :now"
    )
    READ_COUNTER = text(
        "SELECT hits, expires_at FROM limit_counters WHERE key = :key AND expires_at > :now"
    )

    def add(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a hit; return the hits of the window of `expiry` seconds after the first hit."""
        now = clock.now().timestamp()
        row = {"key": key, "amount": amount, "now": now, "expires_at": now + expiry}
        with autocommit_write_connection() as connection:
            return int(connection.execute(self.INCREMENT_COUNTER, row).scalar_one())

    def subtract(self, key: str, amount: int = 1) -> None:
        """Give hits of the current window back, if it has any."""
        row = {"key": key, "amount": amount, "now": clock.now().timestamp()}
        with autocommit_write_connection() as connection:
            connection.execute(self.DECREMENT_COUNTER, row)

    def peek(self, key: str) -> tuple[int, float]:
        """Return the hits of the current window and the seconds until it ends."""
        now = clock.now().timestamp()
        with autocommit_connection() as connection:
            row = connection.execute(self.READ_COUNTER, {"key": key, "now": now}).first()
        return (row.hits, row.expires_at - now) if row else (0, 0.0)

    def check(self) -> bool:
        """Return whether the store answers."""
        try:
            with autocommit_connection() as connection:
                return bool(connection.scalar(text("SELECT 1")))
        except SQLAlchemyError:
            return False


class RedisCounters(Counters):
    """Counters in Redis or Valkey: one script per hit."""

    INCREMENT_COUNTER = """
    local hits = redis.call('INCRBY', KEYS[1], ARGV[1])
    if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return hits
    """
    DECREMENT_COUNTER = """
    local hits = tonumber(redis.call('GET', KEYS[1]) or '0')
    if hits >= tonumber(ARGV[1]) then redis.call('DECRBY', KEYS[1], ARGV[1]) end
    """
    READ_COUNTER = "return {redis.call('GET', KEYS[1]) or '0', redis.call('PTTL', KEYS[1])}"

    def __init__(self, uri: str, wrap_exceptions: bool = False, authorities: str = "") -> None:
        super().__init__(uri, wrap_exceptions)
        tls = {"ssl_ca_data": authorities} if authorities and uri.startswith("rediss:") else {}
        # A dead pooled connection is replaced once; a timeout is not retried.
        retry = Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,))
        timeouts = {"socket_timeout": REDIS_TIMEOUT, "socket_connect_timeout": REDIS_TIMEOUT}
        self.redis = Redis.from_url(uri, retry=retry, **timeouts, **tls)
        self._increment_script = self.redis.register_script(self.INCREMENT_COUNTER)
        self._decrement_script = self.redis.register_script(self.DECREMENT_COUNTER)
        self._read_script = self.redis.register_script(self.READ_COUNTER)

    def add(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a hit; return the hits of the window of `expiry` seconds after the first hit."""
        return int(self._increment_script([key], [amount, 1000 * expiry]))

    def subtract(self, key: str, amount: int = 1) -> None:
        """Give hits of the current window back, if it has any."""
        self._decrement_script([key], [amount])

    def peek(self, key: str) -> tuple[int, float]:
        """Return the hits of the current window and the seconds until it ends."""
        hits, left = self._read_script([key])
        return int(hits), max(0, left) / 1000

    def check(self) -> bool:
        """Return whether the store answers."""
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False


class FallbackCounters(Counters):
    """Counters in Redis, and in the database while Redis is unavailable; never fails open.

    Each switch starts new counters, so it allows at most one more limit within a window. After a
    failure requests do not wait for Redis: one thread tries it again every `RETRY_INTERVAL`.
    """

    STORAGE_SCHEME = ["fallback+redis", "fallback+rediss", "fallback+unix"]

    def __init__(self, uri: str, wrap_exceptions: bool = False, authorities: str = "") -> None:
        super().__init__(uri, wrap_exceptions)
        self.redis = RedisCounters(uri.removeprefix("fallback+"), authorities=authorities)
        self.fallback = DatabaseCounters("db://")
        self._lock = threading.Lock()
        self._redis_down = False
        self._retry_at = 0.0

    def add(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a hit in the available store; return the hits of its window."""
        return self._call_store(lambda store: store.add(key, expiry, amount))

    def subtract(self, key: str, amount: int = 1) -> None:
        """Give hits back in the available store; the other one lets its window end."""
        self._call_store(lambda store: store.subtract(key, amount))

    def peek(self, key: str) -> tuple[int, float]:
        """Return hits and seconds left from the available store."""
        return self._call_store(lambda store: store.peek(key))

    def check(self) -> bool:
        """Return whether Redis answers; the database has a health check of its own."""
        return self.redis.check()

    def _call_store(self, operation: Callable[[Counters], Result]) -> Result:
        if self._should_try_redis():
            try:
                result = operation(self.redis)
            except RedisError as error:
                self._record_redis_state(down=True, reason=type(error).__name__)
            else:
                self._record_redis_state(down=False)
                return result
        return operation(self.fallback)

    def _should_try_redis(self) -> bool:
        """Return whether Redis is available, or this thread should try it again."""
        if not self._redis_down:
            return True
        with self._lock:
            due = clock.monotonic() >= self._retry_at
            if due:
                self._retry_at = clock.monotonic() + RETRY_INTERVAL
            return due

    def _record_redis_state(self, down: bool, reason: str = "") -> None:
        if down == self._redis_down:
            return
        with self._lock:
            self._redis_down, self._retry_at = down, clock.monotonic() + RETRY_INTERVAL
        if down:
            logger().warning(
                "Redis is unavailable; the database counts rate limits.", reason=reason
            )
        else:
            logger().warning("Redis is available again and counts rate limits.")
