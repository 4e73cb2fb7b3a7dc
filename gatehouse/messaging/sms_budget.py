"""What texts may cost: budgets, and prefixes whose codes do not come back.

Whoever runs a range of numbers earns from each text that is sent there ("SMS pumping"). So texts
are counted by number, by network of the asker, and by prefix: the country's calling code and three
digits more. Where too few codes are typed in, nobody reads them: the prefix is paused for a while.
A code that can still be typed in says nothing yet, so a burst of honest people pauses nothing.
All counts are written in the transaction that writes the text. Each of their rows is held until it
ends, so texts that are asked for at the same moment are counted one after the other. The route
limits are another matter, and may be off.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import phonenumbers
from sqlalchemy import delete, update
from sqlalchemy.orm.attributes import flag_modified

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, metrics
from gatehouse.core.log import log
from gatehouse.database.session import db, take_turns
from gatehouse.messaging import outbox
from gatehouse.messaging.template_catalog import LETTERS
from gatehouse.web.rate_limit_storage import DatabaseCounters
from gatehouse.web.request_context import Visitor
from models import SmsPrefix


@dataclass(frozen=True)
class Budget:
    """How many texts are sent in a window, which begins with the first of them."""

    name: str
    most: int
    seconds: int


HOUR, DAY = 3600, 86_400
OF_NETWORK = (Budget("network", 30, HOUR), Budget("network", 100, DAY))
OF_NUMBER = (Budget("number", 5, HOUR), Budget("number", 10, DAY))
DIGITS = 3
"""Of the national number, behind the calling code."""
ENOUGH = 30
"""Codes to a prefix before their ratio says anything."""
LEAST_PROVED = 0.2
"""Of the codes to a prefix; people who want to sign in type in more than half of theirs."""
PATIENCE = timedelta(minutes=10)
"""A texted code lives no longer; a younger one is not yet counted against its prefix."""
CODES = {name for name, told in LETTERS.items() if name.startswith("sms_") and "code" in told}
"""The letters that wait for an answer."""
COUNTED_FOR = timedelta(days=1)
PAUSE = timedelta(hours=1)


class Overspent(Exception):
    """This text is not sent; `budget` says what is spent. Whoever asked for it is not told."""

    def __init__(self, budget: str) -> None:
        super().__init__(budget)
        self.budget = budget


def prefix_of(number: str) -> str:
    """Return the calling code and the next digits of an E.164 number: `49151` of +4915112345678."""
    return "".join(_parts_of(number))


def charge(number: str, visitor: Visitor, is_code: bool) -> None:
    """Count a text to a number, in the current write transaction; a code waits to be proved.

    Raises:
        Overspent: it may not be sent; what was counted until then stays counted.
    """
    row = _pay(number, visitor)
    if is_code:
        _require_answers(row, number, visitor)
        row.sent += 1


def pretend(number: str, visitor: Visitor, is_code: bool) -> None:
    """Do the same for a text that nobody gets; its code is not waited for.

    Raises:
        Overspent: it would not have been sent.
    """
    row = _pay(number, visitor)
    if is_code:
        _require_answers(row, number, visitor)
        flag_modified(row, "sent")  # written all the same


def _pay(number: str, visitor: Visitor) -> SmsPrefix:
    """Count a text in all budgets; return the counts of its prefix.

    Raises:
        Overspent: there were enough already.
    """
    prefix = prefix_of(number)
    row = _row(prefix)
    if row.paused_until and row.paused_until > clock.now():
        raise Overspent("paused")
    if visitor.site:  # the operator at the command line has none
        _spend(OF_NETWORK, visitor.site)
    _spend(OF_NUMBER, number)
    _spend((Budget("prefix", config.settings().sms_prefix_budget, HOUR),), prefix)
    return row


def proved(number: str) -> None:
    """Note that a code that was texted to a number was typed in, in the current transaction."""
    counted = update(SmsPrefix).where(SmsPrefix.prefix == prefix_of(number))
    counted = counted.where(SmsPrefix.proved < SmsPrefix.sent)
    db.session.execute(counted.values(proved=SmsPrefix.proved + 1))


def purge() -> None:
    """Forget the prefixes that nobody has texted to for days."""
    rested = clock.now() - 2 * COUNTED_FOR
    over = (SmsPrefix.counted_since < rested) & (
        SmsPrefix.paused_until.is_(None) | (SmsPrefix.paused_until < rested)
    )
    db.session.execute(delete(SmsPrefix).where(over))


def _parts_of(number: str) -> tuple[str, str]:
    """Return the calling code, and the next digits without the zero that Italian numbers have."""
    parsed = phonenumbers.parse(number)
    return str(parsed.country_code), str(parsed.national_number)[:DIGITS]


def _row(prefix: str) -> SmsPrefix:
    """Return the counts of a prefix, held until the transaction ends; a new day begins anew."""
    take_turns(f"texts {prefix}")
    row = db.session.get(SmsPrefix, prefix, populate_existing=True)
    if row is None:
        row = SmsPrefix(prefix=prefix, sent=0, proved=0, counted_since=clock.now())
        db.session.add(row)
    elif row.counted_since < clock.now() - COUNTED_FOR:
        _begin_anew(row)
    return row


def _spend(budgets: tuple[Budget, ...], whose: str) -> None:
    """Count a text in all windows of a kind.

    Raises:
        Overspent: there were enough already.
    """
    for budget in budgets:
        key = crypto.keyed_digest(f"texts {budget.name} {budget.seconds}", whose)
        now = clock.now().timestamp()
        row = {"key": key, "amount": 1, "now": now, "expires_at": now + budget.seconds}
        if db.session.execute(DatabaseCounters.HIT, row).scalar_one() > budget.most:
            raise Overspent(budget.name)


def _require_answers(row: SmsPrefix, number: str, visitor: Visitor) -> None:
    """Return if enough codes came back in time; else pause the prefix.

    Raises:
        Overspent: it is paused.
    """
    if _is_answered(row.sent, row.proved) or _is_answered(ripe := _ripe(row, number), row.proved):
        return
    about: dict[str, Any] = {"prefix": row.prefix, "sent": ripe, "proved": row.proved}
    row.paused_until = clock.now() + PAUSE
    _begin_anew(row)
    record(events.Text.PREFIX_PAUSED, visitor, **about)
    log().error("Too few texted codes come back: no text is sent to this prefix for now.", **about)
    raise Overspent("paused")


def _is_answered(sent: int, proved: int) -> bool:
    """Tell whether so many codes are too few to judge by, or enough of them came back."""
    return sent < ENOUGH or proved >= LEAST_PROVED * sent


def _ripe(row: SmsPrefix, number: str) -> int:
    """Return how many of the codes to a number's prefix are older than the patience with them."""
    calling, digits = _parts_of(number)
    alike = (f"+{calling}{digits}", f"+{calling}0{digits}")
    return row.sent - outbox.texted_since(clock.now() - PATIENCE, alike, CODES)


def _begin_anew(row: SmsPrefix) -> None:
    row.sent, row.proved, row.counted_since = 0, 0, clock.now()


def withheld(number: str, visitor: Visitor, budget: str) -> None:
    """Record that a text was not sent, in the current transaction; the number is not told."""
    record(events.Text.WITHHELD, visitor, budget=budget, prefix=prefix_of(number))
    metrics.TEXTS_WITHHELD.labels(budget).inc()
