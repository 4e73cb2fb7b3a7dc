"""Where the counts of the limits are kept: in the database, or in Redis with it in reserve.

A count starts with its first hit and ends after its window; whoever counts and wherever, each hit
is one atomic step and one round trip.
"""

import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from limits.storage import Storage
from redis import ConnectionError as ConnectionLost
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from gatehouse.core import clock
from gatehouse.core.log import log
from gatehouse.database.direct_sql import execute
from gatehouse.database.session import reader, writer

PATIENCE = 0.5
"""Seconds until Redis counts as gone."""
PAUSE = 3.0
"""Seconds for which nobody asks a Redis that was gone."""

Found = TypeVar("Found")


class Counters(Storage):
    """What Flask-Limiter wants of a store, and `peek`."""

    def __init__(self, uri: str, wrap_exceptions: bool = False) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions)

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """The errors of the stores."""
        return (SQLAlchemyError, RedisError)

    @abstractmethod
    def peek(self, key: str) -> tuple[int, float]:
        """Return the hits of the current window and the seconds that are left of it."""

    def get(self, key: str) -> int:
        """Return the hits of the current window."""
        return self.peek(key)[0]

    def get_expiry(self, key: str) -> float:
        """Return when the current window ends, in seconds since 1970."""
        return clock.now().timestamp() + self.peek(key)[1]

    def reset(self) -> None:
        """Refuse: a window ends by itself."""
        raise TypeError("counters are not emptied: their windows end by themselves")

    def clear(self, key: str) -> None:
        """Refuse: a window ends by itself."""
        raise TypeError("counters are not emptied: their windows end by themselves")


class DatabaseCounters(Counters):
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
    PEEK = text(
        "SELECT hits, expires_at FROM limit_counters WHERE key = :key AND expires_at > :now"
    )

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a hit; return the hits of the window of `expiry` seconds after its first."""
        now = clock.now().timestamp()
        row = {"key": key, "amount": amount, "now": now, "expires_at": now + expiry}
        with writer() as connection:
            return int(execute(connection, self.HIT, row)[0][0])

    def peek(self, key: str) -> tuple[int, float]:
        """Return the hits of the current window and the seconds that are left of it."""
        now = clock.now().timestamp()
        with reader() as connection:
            found = execute(connection, self.PEEK, {"key": key, "now": now})
        return (found[0][0], found[0][1] - now) if found else (0, 0.0)

    def check(self) -> bool:
        """Tell whether the store answers."""
        try:
            with reader() as connection:
                return bool(connection.scalar(text("SELECT 1")))
        except SQLAlchemyError:
            return False


class RedisCounters(Counters):
    """Counters in Redis or Valkey, one script for each hit."""

    HIT = """
    local hits = redis.call('INCRBY', KEYS[1], ARGV[1])
    if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return hits
    """
    PEEK = "return {redis.call('GET', KEYS[1]) or '0', redis.call('PTTL', KEYS[1])}"

    def __init__(self, uri: str, wrap_exceptions: bool = False) -> None:
        super().__init__(uri, wrap_exceptions)
        # A connection that died in the pool is replaced once; a Redis that hangs is not waited for.
        again = Retry(NoBackoff(), 1, supported_errors=(ConnectionLost,))
        self.redis = Redis.from_url(
            uri, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=again
        )
        self._hit = self.redis.register_script(self.HIT)
        self._peek = self.redis.register_script(self.PEEK)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a hit; return the hits of the window of `expiry` seconds after its first."""
        return int(self._hit([key], [amount, 1000 * expiry]))

    def peek(self, key: str) -> tuple[int, float]:
        """Return the hits of the current window and the seconds that are left of it."""
        hits, left = self._peek([key])
        return int(hits), max(0, left) / 1000

    def check(self) -> bool:
        """Tell whether the store answers."""
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False


class BridgedCounters(Counters):
    """Counters in Redis, and in the database while Redis is gone; never open, never in a process.

    Each change-over starts anew, so it lets at most one more limit through in a window. After a
    failure nobody waits for Redis: once in a few seconds one thread tries whether it is back.
    """

    STORAGE_SCHEME = ["bridged+redis", "bridged+rediss"]

    def __init__(self, uri: str, wrap_exceptions: bool = False) -> None:
        super().__init__(uri, wrap_exceptions)
        self.redis = RedisCounters(uri.removeprefix("bridged+"))
        self.reserve = DatabaseCounters("db://")
        self._lock = threading.Lock()
        self._gone = False
        self._try_at = 0.0

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a hit where it can be counted."""
        return self._ask(lambda store: store.incr(key, expiry, amount))

    def peek(self, key: str) -> tuple[int, float]:
        """Look where hits are counted."""
        return self._ask(lambda store: store.peek(key))

    def check(self) -> bool:
        """Tell whether Redis answers; that the database does is told elsewhere."""
        return self.redis.check()

    def _ask(self, act: Callable[[Counters], Found]) -> Found:
        if self._is_worth_asking():
            try:
                found = act(self.redis)
            except RedisError as problem:
                self._note(gone=True, reason=type(problem).__name__)
            else:
                self._note(gone=False)
                return found
        return act(self.reserve)

    def _is_worth_asking(self) -> bool:
        """Tell whether Redis is there, or it is this thread's turn to find out."""
        if not self._gone:
            return True
        with self._lock:
            due = clock.monotonic() >= self._try_at
            if due:
                self._try_at = clock.monotonic() + PAUSE
            return due

    def _note(self, gone: bool, reason: str = "") -> None:
        if gone == self._gone:
            return
        with self._lock:
            self._gone, self._try_at = gone, clock.monotonic() + PAUSE
        if gone:
            log().warning("Redis is gone; the database counts for the limits.", reason=reason)
        else:
            log().warning("Redis is back and counts for the limits again.")
