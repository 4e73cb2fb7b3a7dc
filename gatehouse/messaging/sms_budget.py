"""SMS budgets against toll fraud ("SMS pumping"), and pauses of prefixes with few conversions.

The operator of a number range earns from each SMS sent to it. So SMS are counted by number, by the
client's IP prefix, and by number prefix: the country calling code and three more digits. A code
that is entered is a conversion; a prefix with too few of them is paused. Codes that can still be
entered do not count yet, so a burst of real users pauses nothing.
All counts are written in the transaction that writes the SMS. It locks their rows until it ends,
so concurrent requests are counted one after the other. Route rate limits are independent of this
and may be switched off.
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
from gatehouse.core import clock, crypto, crypto_labels, metrics
from gatehouse.core.log import logger
from gatehouse.database.session import advisory_lock, db
from gatehouse.messaging import outbox
from gatehouse.messaging.recipient_limits import increment_counter
from gatehouse.messaging.template_catalog import TEMPLATES
from gatehouse.web.request_context import RequestContext
from models import SmsPrefix


@dataclass(frozen=True)
class Budget:
    """The most SMS in a window; the window begins with the first SMS."""

    name: str
    limit: int
    window_seconds: int


HOUR, DAY = 3600, 86_400
NETWORK_BUDGETS = (Budget("network", 30, HOUR), Budget("network", 100, DAY))
NUMBER_BUDGETS = (Budget("number", 5, HOUR), Budget("number", 10, DAY))
PREFIX_DIGITS = 3
"""Digits of the national number, after the calling code."""
MIN_SAMPLE = 30
"""Codes sent to a prefix before its conversion rate is assessed."""
MIN_CONVERSION_RATE = 0.2
"""Of the codes sent to a prefix; real users enter more than half of theirs."""
CODE_LIFETIME = timedelta(minutes=10)
"""The lifetime of a code by SMS; younger codes do not count against their prefix yet."""
CODE_TEMPLATES = {
    name for name, variables in TEMPLATES.items() if name.startswith("sms_") and "code" in variables
}
"""The SMS templates with a code."""
COUNTING_WINDOW = timedelta(days=1)
PAUSE = timedelta(hours=1)


class BudgetExceeded(Exception):
    """The SMS must not be sent; `budget` names the exhausted budget. The client never learns."""

    def __init__(self, budget: str) -> None:
        super().__init__(budget)
        self.budget = budget


def prefix_of(number: str) -> str:
    """Return calling code and next digits of an E.164 number, such as 49151 of +4915112345678."""
    return "".join(_split_number(number))


def charge(number: str, context: RequestContext, is_code: bool) -> None:
    """Count an SMS to a number, in the current write transaction; a code awaits its conversion.

    Raises:
        BudgetExceeded: it must not be sent; the counts made so far stay.
    """
    row = _charge_budgets(number, context)
    if is_code:
        _require_conversions(row, number, context)
        row.sent += 1


def simulate_charge(number: str, context: RequestContext, is_code: bool) -> None:
    """Charge the budgets for a decoy SMS, which awaits no conversion.

    Raises:
        BudgetExceeded: a real SMS would not have been sent.
    """
    row = _charge_budgets(number, context)
    if is_code:
        _require_conversions(row, number, context)
        flag_modified(row, "sent")  # so that the row is written as by `charge`


def _charge_budgets(number: str, context: RequestContext) -> SmsPrefix:
    """Count an SMS in all budgets; return the locked row of its prefix.

    Raises:
        BudgetExceeded: one budget is exhausted, or the prefix is paused.
    """
    prefix = prefix_of(number)
    row = _lock_prefix(prefix)
    if row.paused_until and row.paused_until > clock.now():
        raise BudgetExceeded("paused")
    if context.ip_prefix:  # CLI commands have none
        _increment(NETWORK_BUDGETS, context.ip_prefix)
    _increment(NUMBER_BUDGETS, number)
    _increment((Budget("prefix", config.settings().sms_prefix_budget, HOUR),), prefix)
    return row


def record_conversion(number: str) -> None:
    """Count a code that was sent to a number and entered, in the current transaction."""
    conversion = update(SmsPrefix).where(SmsPrefix.prefix == prefix_of(number))
    conversion = conversion.where(SmsPrefix.converted < SmsPrefix.sent)
    db.session.execute(conversion.values(converted=SmsPrefix.converted + 1))


def purge_prefixes() -> None:
    """Delete the counts of prefixes without SMS for two days."""
    limit = clock.now() - 2 * COUNTING_WINDOW
    stale = (SmsPrefix.counted_since < limit) & (
        SmsPrefix.paused_until.is_(None) | (SmsPrefix.paused_until < limit)
    )
    db.session.execute(delete(SmsPrefix).where(stale))


def _split_number(number: str) -> tuple[str, str]:
    """Return calling code and next digits, without the leading zero of Italian numbers."""
    parsed = phonenumbers.parse(number)
    return str(parsed.country_code), str(parsed.national_number)[:PREFIX_DIGITS]


def _lock_prefix(prefix: str) -> SmsPrefix:
    """Lock and return the counts of a prefix; reset them after COUNTING_WINDOW."""
    advisory_lock(f"texts {prefix}")
    row = db.session.get(SmsPrefix, prefix, populate_existing=True)
    if row is None:
        row = SmsPrefix(prefix=prefix, sent=0, converted=0, counted_since=clock.now())
        db.session.add(row)
    elif row.counted_since < clock.now() - COUNTING_WINDOW:
        _reset_counts(row)
    return row


def _increment(budgets: tuple[Budget, ...], subject: str) -> None:
    """Count an SMS of a subject (number, IP prefix or number prefix) in budgets.

    Raises:
        BudgetExceeded: a budget is exhausted.
    """
    for budget in budgets:
        key = crypto.keyed_digest(
            f"{crypto_labels.SMS_BUDGET_PREFIX}{budget.name} {budget.window_seconds}", subject
        )
        if increment_counter(key, budget.window_seconds) > budget.limit:
            raise BudgetExceeded(budget.name)


def _require_conversions(row: SmsPrefix, number: str, context: RequestContext) -> None:
    """Return if enough codes of a prefix were entered; else pause the prefix.

    Raises:
        BudgetExceeded: the prefix is now paused.
    """
    if _has_enough_conversions(row.sent, row.converted) or _has_enough_conversions(
        expired := _count_expired(row, number), row.converted
    ):
        return
    counts: dict[str, Any] = {"prefix": row.prefix, "sent": expired, "converted": row.converted}
    row.paused_until = clock.now() + PAUSE
    _reset_counts(row)
    record(events.Sms.PREFIX_PAUSED, context, **counts)
    logger().error("SMS to this prefix are paused: too few codes are entered.", **counts)
    raise BudgetExceeded("paused")


def _has_enough_conversions(sent: int, converted: int) -> bool:
    """Return whether the conversion rate is high enough, or the sample too small to assess."""
    return sent < MIN_SAMPLE or converted >= MIN_CONVERSION_RATE * sent


def _count_expired(row: SmsPrefix, number: str) -> int:
    """Count the codes sent to the prefix of a number that have expired."""
    calling, digits = _split_number(number)
    prefixes = (f"+{calling}{digits}", f"+{calling}0{digits}")
    return row.sent - outbox.sms_sent_since(clock.now() - CODE_LIFETIME, prefixes, CODE_TEMPLATES)


def _reset_counts(row: SmsPrefix) -> None:
    row.sent, row.converted, row.counted_since = 0, 0, clock.now()


def record_suppressed(number: str, context: RequestContext, budget: str) -> None:
    """Record that an SMS was not sent, without its number, in the current transaction."""
    record(events.Sms.SUPPRESSED, context, budget=budget, prefix=prefix_of(number))
    metrics.SMS_SUPPRESSED.labels(budget).inc()
