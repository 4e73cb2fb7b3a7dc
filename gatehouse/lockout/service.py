"""The lockout: guessing an account's secrets gets slower for the guesser and for nobody else.

Wrong passwords in a row, and wrong codes, are counted for each account: on a known device by
itself, from elsewhere by network, and in one sum over all strangers. A device or a network waits
longer and longer; so does an IPv6 site, which has many networks, after more failures. The sum lets
everybody pass until it closes. A guess is counted, and committed, before it is evaluated, so that
no rollback, no two hundred guesses at once and no sudden death makes one free.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, bindparam, case, delete, select, text

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, metrics
from gatehouse.core.errors import Refusal
from gatehouse.core.log import log
from gatehouse.database.direct_sql import execute
from gatehouse.database.session import UTCDateTime, apart, at_once, db
from gatehouse.database.statements import read_all
from gatehouse.devices import service as devices
from gatehouse.web.request_context import Visitor
from models import GuessCounter

Steps = dict[int, timedelta]
"""How long to wait from so many failures in a row on."""
WAITS: Steps = {5 + n: timedelta(seconds=min(30 * 2**n, 3600)) for n in range(8)}
"""Of a device or a network: 30 seconds from the fifth on, doubled until it is an hour."""
CODE_WAITS: Steps = {25: timedelta(hours=1)}
"""The same for codes: each allows five guesses itself, and no further ones by being sent anew."""
MOST = 100  # NIST SP 800-63B-4 section 3.2.2: no more than 100 consecutive failures
CLOSING: Steps = {MOST: timedelta(days=36_500)}
"""Of the sum over all strangers: as long as nobody opens it again."""
LONGEST = max(WAITS.values())
PASSWORD, CODE, FACTOR = "password", "code", "factor"
STEPS = {PASSWORD: WAITS, CODE: CODE_WAITS, FACTOR: WAITS}
"""A second factor has counters of its own: the right password resets none of them."""
CROWD = 4
"""An IPv6 site may fail as often, in all its networks, as so many of them may."""
SITE_STEPS = {
    kind: {CROWD * most: wait for most, wait in steps.items()} for kind, steps in STEPS.items()
}
RESTED = timedelta(days=90)
"""A counter that nobody touched for so long, and that waits for nothing, is forgotten."""
NEVER = clock.EPOCH
"""A counter that waits until then waits for nothing, on no replica's clock."""
_counters = GuessCounter.metadata.tables["guess_counters"]
_failures = _counters.c.failures
_keys = _counters.c.key.in_(bindparam("keys", expanding=True))
STANDING = select(_counters.c.key, _failures, _counters.c.waits_until).where(_keys)
NONE = _counters.delete().where(_keys)
_one = _counters.c.key == bindparam("counter")
END = _counters.delete().where(_one).returning(_failures)
"""Forgets a counter, and returns how many failures in a row there were."""
LESS = (
    _counters.update()
    .where(_one, _failures > 0)
    .values(
        failures=case((_failures > bindparam("less"), _failures - bindparam("less")), else_=0),
        waits_until=NEVER,
    )
    .returning(_failures)
)
"""Undoes counts; nothing waits any more, for the guess had not to wait when it was counted."""
ONE_MORE = (
    "INSERT INTO guess_counters (key, failures, waits_until, counted_at)"
    " VALUES (:key, 1, :never, :now)"
    " ON CONFLICT (key) DO UPDATE SET failures = guess_counters.failures + 1, counted_at = :now,"
    " waits_until = CASE {waits} ELSE :never END"
    " WHERE guess_counters.waits_until <= :now RETURNING failures"
)


class TooManyAttempts(Refusal):
    """After too many wrong ones, this password or code was not looked at; wait `Retry-After`."""

    status = 429
    code = "too_many_attempts"
    next = "Use a device on which you have signed in before, or wait and try again."

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after
        self.headers = {"Retry-After": str(retry_after)}

    @property
    def members(self) -> dict[str, int | str]:
        """The seconds to wait."""
        return super().members | {"retry_after": self.retry_after}


@dataclass(frozen=True)
class Guess:
    """A guess that was counted; it is taken for a wrong one until it turns out otherwise."""

    user_id: UUID | None
    device_id: UUID | None
    own: str
    """The key of the counter of the device or the network."""
    site: str
    """The key of the counter of the IPv6 site; empty where there is none."""
    everybody: str
    """The key of the sum."""
    failures: int
    """In a row on the device or from the network, with this one."""
    of_site: int
    """In a row from the site, with this one; 0 where there is none."""
    strangers: int
    """In the sum, with this one; 0 on a known device, which is no stranger's."""
    kind: str = PASSWORD
    """What was guessed: `password`, `code` or `factor`."""


@dataclass(frozen=True)
class Standing:
    """How a stranger stands at an account."""

    failures: int
    """In a row from the network, or a fourth of what its IPv6 site has left, if that is more."""
    waits: bool
    """Whether a guess would be refused."""


def standing(whom: UUID | str, visitor: Visitor) -> Standing:
    """Look how a guess of a stranger would fare, and count nothing; `whom` is as with `count`."""
    own, site, everybody = _keys_of(whom, None, visitor, PASSWORD)
    counted = read_all(STANDING, keys=[own, site, everybody])
    counters = {counter.key: counter for counter in counted}
    waits = any(counter.waits_until > clock.now() for counter in counters.values())
    mine, all_of_site = (counters[key].failures if key in counters else 0 for key in (own, site))
    return Standing(max(mine, all_of_site // CROWD), waits)


def count(
    whom: UUID | str, device_id: UUID | None, visitor: Visitor, kind: str = PASSWORD
) -> Guess:
    """Count a guess before it is evaluated, and commit the count.

    `whom` is a user's id, or the canonical form of an identifier that belongs to nobody; `kind` is
    `password`, `code` or `factor`.

    Raises:
        TooManyAttempts: a counter makes the guess wait; nothing was counted.
    """
    user_id = whom if isinstance(whom, UUID) else None
    own, site, everybody = _keys_of(whom, device_id, visitor, kind)
    try:
        with at_once() if device_id else apart() as connection:
            failures = _one_more(connection, own, STEPS[kind])
            of_site = _one_more(connection, site, SITE_STEPS[kind]) if site else 0
            strangers = 0 if device_id else _one_more(connection, everybody, CLOSING)
    except TooManyAttempts as refusal:
        metrics.GUESSES_REFUSED.inc()
        about = {"user": user_id and str(user_id), "seconds": refusal.retry_after}
        log().warning(f"A {kind} was not evaluated.", **about)
        raise
    return Guess(user_id, device_id, own, site, everybody, failures, of_site, strangers, kind)


def withdraw(guess: Guess) -> None:
    """Undo the count of a guess that was never evaluated."""
    with apart() as connection:
        was_there = _take_back(connection, guess.own)
        if was_there and guess.site:  # else the run is over, and was taken off the site with it
            _take_back(connection, guess.site)
        if not guess.device_id:
            _take_back(connection, guess.everybody)


def succeeded(guess: Guess) -> None:
    """Begin anew for the device or the network, whose run of failures goes off its site, too.

    On a known device the sum begins anew as well; else it loses this guess.
    """
    with at_once() if guess.device_id else apart() as connection:
        _begin_anew(guess, connection)


def settle(guess: Guess) -> None:
    """Do the same within the current transaction, so that it holds if what it proved does."""
    _begin_anew(guess, db.session.connection())


def _begin_anew(guess: Guess, connection: Connection) -> None:
    if guess.device_id:
        execute(connection, NONE, {"keys": [guess.own, guess.everybody]})
        return
    run = execute(connection, END, {"counter": guess.own})
    if run and guess.site:
        _take_back(connection, guess.site, run[0].failures)
    _take_back(connection, guess.everybody)


def _take_back(connection: Connection, counter: str, less: int = 1) -> bool:
    """Undo counts; return whether there were any."""
    return bool(execute(connection, LESS, {"counter": counter, "less": less}))


def failed(guess: Guess, visitor: Visitor) -> bool:
    """Record what a wrong guess brings with it, in the current transaction.

    Returns:
        Whether something was shut just now that the owner should know of.
    """
    about: dict[str, Any] = {"user_id": guess.user_id}
    own, of_site = STEPS[guess.kind], SITE_STEPS[guess.kind]
    waits = (
        (_wait(own, guess.failures), guess.failures),
        (_wait(of_site, guess.of_site), guess.of_site),
    )
    wait, failures = max(waits)
    if wait:
        seen = about | {"failures": failures, "seconds": wait.seconds}
        record(events.Login.THROTTLED, visitor, **seen)
    if guess.strangers == MOST:
        record(events.Login.CLOSED, visitor, **about)
    if guess.device_id and guess.failures >= MOST:
        devices.forget(guess.device_id)
        db.session.execute(NONE, {"keys": [guess.own]})
        record(events.Login.DEVICE_FORGOTTEN, visitor, **about)
    begins = guess.failures == min(own) or guess.of_site == min(of_site)
    return begins or guess.strangers == MOST


def reopen(user_id: UUID, visitor: Visitor, *kinds: str) -> None:
    """Let the sum and the known devices of an account begin anew, in the current transaction.

    Without `kinds`, for all of them.
    Networks cannot be found by the account; none waits longer than an hour.
    """
    places = ["everybody", *(f"device:{device_id}" for device_id in devices.ids(user_id))]
    keys = [_key(place, user_id, kind) for place, kind in product(places, kinds or STEPS)]
    db.session.execute(NONE, {"keys": keys})
    record(events.Login.REOPENED, visitor, user_id=user_id)


def purge() -> None:
    """Delete the counters that rested; one that is closed waits, and stays, as does one in use."""
    rested = (GuessCounter.counted_at < clock.now() - RESTED) | (GuessCounter.failures == 0)
    over = select(GuessCounter.key).where(rested, GuessCounter.waits_until <= clock.now())
    free = over.with_for_update(skip_locked=True)
    db.session.execute(delete(GuessCounter).where(GuessCounter.key.in_(free)))


def _keys_of(
    whom: UUID | str, device_id: UUID | None, visitor: Visitor, kind: str
) -> tuple[str, str, str]:
    """Return where a guess is counted: by itself, with its IPv6 site if any, and in the sum."""
    site = "" if device_id or visitor.site == visitor.network else f"site:{visitor.site}"
    place = f"device:{device_id}" if device_id else f"network:{visitor.network}"
    return _key(place, whom, kind), site and _key(site, whom, kind), _key("everybody", whom, kind)


def _key(place: str, whom: UUID | str, kind: str) -> str:
    """Return the digest that names a counter; no text that somebody types names a user's."""
    purpose = "guesses" if kind == PASSWORD else f"guesses {kind}"
    owner = "user" if isinstance(whom, UUID) else "nobody"
    return crypto.keyed_digest(purpose, f"{place}\0{owner}:{whom}")


def _one_more(connection: Connection, key: str, steps: Steps) -> int:
    """Count a failure, unless the counter waits, and let it wait; return the new count.

    That is one statement: between two of them, others could guess.
    """
    now = clock.now()
    ends = {f"from_{least}": now + wait for least, wait in steps.items()}
    counted = execute(connection, _counting(*steps), {"key": key, "now": now} | ends)
    if not counted:
        raise TooManyAttempts(_seconds_left(connection, key, now))
    return int(counted[0][0])


@cache
def _counting(*least: int) -> TextClause:
    """Return the statement that counts, of counters that wait from so many failures on."""
    arms = [f"WHEN guess_counters.failures >= {n - 1} THEN :from_{n}" for n in sorted(least)]
    statement = text(ONE_MORE.format(waits=" ".join(reversed(arms))))
    moments = [bindparam(f"from_{n}", type_=UTCDateTime) for n in least]
    moments += [bindparam("now", type_=UTCDateTime), bindparam("never", NEVER, UTCDateTime)]
    return statement.bindparams(*moments)


def _wait(steps: Steps, failures: int) -> timedelta:
    reached = [wait for least, wait in steps.items() if failures >= least]
    return max(reached, default=timedelta(0))


def _seconds_left(connection: Connection, key: str, now: datetime) -> int:
    """Return for how long a counter waits; of one that has just begun anew, a moment."""
    waits_until = select(GuessCounter.waits_until).where(GuessCounter.key == key)
    left = (connection.execute(waits_until).scalar() or now) - now
    return max(1, ceil(min(left, LONGEST).total_seconds()))
