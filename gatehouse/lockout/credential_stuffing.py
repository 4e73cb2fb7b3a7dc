"""The guard of the service: raised while somebody tries passwords on many accounts.

Wrong passwords are counted once more, by the accounts they were tried on: from one site, and
with one password from anywhere, which is counted by its sites as well: one of them alone raises
the guard for nobody but itself. A count is 62 bits, each of some accounts or sites, so that a
row says how many they are and never which. A password is one of 16,384 drawers, chosen by a keyed
digest with a salt that changes every quarter of an hour: too few to guess it by, enough to notice
the same one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Exists, bindparam, delete, exists, select, text

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto
from gatehouse.core.log import log
from gatehouse.database.session import UTCDateTime, db
from gatehouse.database.statements import read_one
from gatehouse.web.request_context import Visitor
from models import GuardTally

WINDOW = 900  # seconds
RAISED = timedelta(hours=1)
BITS = 62
DRAWERS = 16_384
MANY_OF_SITE = 21  # bits: about 25 accounts, and never fewer than 21
MANY_OF_PASSWORD = 14  # bits: about 16 accounts
MANY_SITES = 8  # bits: about 9 sites, which one sender does not have
EVERYWHERE = "everywhere"
"""No site has this name: the guard is raised for all."""
ONE_MORE = text(
    "INSERT INTO guard_tallies (key, seen, expires_at)"
    " VALUES (:key0, :bit0, :ends), (:key1, :bit1, :ends), (:key2, :bit2, :ends)"
    " ON CONFLICT (key) DO UPDATE SET seen = guard_tallies.seen | excluded.seen"
    " RETURNING key, seen"
).bindparams(bindparam("ends", type_=UTCDateTime))
RAISE = text(
    "INSERT INTO guard_tallies (key, seen, expires_at) VALUES (:key, 0, :until)"
    " ON CONFLICT (key) DO UPDATE SET expires_at = :until"
    " WHERE guard_tallies.expires_at <= :now RETURNING key"
).bindparams(bindparam("now", type_=UTCDateTime), bindparam("until", type_=UTCDateTime))


@dataclass(frozen=True)
class Miss:
    """A wrong password as it is counted: nothing of it can be read from here."""

    site_key: str
    """Of the accounts that this site tried."""
    password_key: str
    """Of the accounts that this password was tried on."""
    senders_key: str
    """Of the sites that tried it."""
    account: int
    """The bit of the account, or of the identifier that belongs to nobody."""
    sender: int
    """The bit of the site."""
    window: int


def miss(whom: UUID | str, password: str, visitor: Visitor) -> Miss:
    """Return what is counted of a wrong password; known and unknown accounts alike."""
    window = clock.seconds() // WINDOW
    drawer = _share(f"{window}\0password\0{password}", DRAWERS)
    return Miss(
        crypto.keyed_digest("guard", f"{window}\0network\0{visitor.site}"),
        crypto.keyed_digest("guard", f"{window}\0drawer\0{drawer}"),
        crypto.keyed_digest("guard", f"{window}\0senders\0{drawer}"),
        1 << _share(f"{window}\0account\0{whom}", BITS),
        1 << _share(f"{window}\0sender\0{visitor.site}", BITS),
        window,
    )


def note(missed: Miss, visitor: Visitor) -> None:
    """Count a wrong password in the current transaction, and raise the guard if it is time."""
    seen = _count(missed)
    if seen[missed.site_key] >= MANY_OF_SITE:
        _raise(visitor.site, visitor, accounts=seen[missed.site_key])
    if seen[missed.password_key] >= MANY_OF_PASSWORD:
        spread = seen[missed.senders_key] >= MANY_SITES
        where = EVERYWHERE if spread else visitor.site
        _raise(where, visitor, accounts=seen[missed.password_key])


def _count(missed: Miss) -> dict[str, int]:
    """Return how many bits each of its keys has now.

    One statement; its rows are in order, so that two of them cannot hold each other up.
    """
    bits = {
        missed.site_key: missed.account,
        missed.password_key: missed.account,
        missed.senders_key: missed.sender,
    }
    values: dict[str, Any] = {"ends": datetime.fromtimestamp((missed.window + 1) * WINDOW, UTC)}
    for number, key in enumerate(sorted(bits)):
        values |= {f"key{number}": key, f"bit{number}": bits[key]}
    return {row.key: row.seen.bit_count() for row in db.session.execute(ONE_MORE, values)}


def is_raised(site: str) -> bool:
    """Tell whether the guard is raised for a site, or for all; one look-up by a key."""
    return bool(read_one(_IS_RAISED, **raised_for(site)).raised)


def raised() -> Exists:
    """Return the same as an expression, for who asks for more at once; see `raised_for`."""
    keys: BindParameter[str] = bindparam("guards", expanding=True)
    now = bindparam("guarded_at", type_=UTCDateTime)
    return exists().where(GuardTally.key.in_(keys), GuardTally.expires_at > now)


_IS_RAISED = select(raised().label("raised"))


def raised_for(site: str) -> dict[str, Any]:
    """Return the values of that expression."""
    return {"guards": [_guard(site), _guard(EVERYWHERE)], "guarded_at": clock.now()}


def purge() -> None:
    """Delete the counts whose window is over, and the guards that were raised."""
    db.session.execute(delete(GuardTally).where(GuardTally.expires_at < clock.now()))


def _raise(site: str, visitor: Visitor, accounts: int) -> None:
    """Raise the guard; where it is raised already nobody is told again."""
    now = clock.now()
    values = {"key": _guard(site), "now": now, "until": now + RAISED}
    if db.session.execute(RAISE, values).scalar() is None:
        return
    record(events.Risk.GUARD_RAISED, visitor, network=site, accounts=accounts)
    about = "Passwords are being tried on many accounts: the guard is raised."
    log().warning(about, network=site, accounts=accounts)


def _guard(site: str) -> str:
    return crypto.keyed_digest("guard", f"raised\0{site}")


def _share(value: str, shares: int) -> int:
    """Return one of so many shares, by a keyed digest."""
    return int(crypto.keyed_digest("guard", value)[:12], 16) % shares
