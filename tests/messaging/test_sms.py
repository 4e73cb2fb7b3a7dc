"""Texts cost money: budgets hold whoever asks at once, and dead prefixes are paused."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
from prometheus_client import REGISTRY

from gatehouse.database.session import db, writing
from gatehouse.messaging import sms, sms_budget
from gatehouse.messaging.message import Letter
from gatehouse.web.request_context import NOBODY, Visitor
from models import OutboxMessage, SmsPrefix
from tests.logged import lines
from tests.rows import audited, rows
from tests.together import at_once

pytestmark = pytest.mark.stores

NUMBER = "+4915112345678"
CODE = {"code": "314159"}
ADDRESSES = itertools.count(1)


def visitor(address=None):
    """Return somebody from a network of their own, or from a given address."""
    number = next(ADDRESSES)
    return Visitor(address or f"10.{number // 256}.{number % 256}.7", "Firefox", f"r{number}")


def text(app, number=NUMBER, who=None, variables=CODE):
    """Ask for a text, and commit; tell whether it was written."""
    template = "sms_login" if variables is CODE else "sms_notice"
    shown = variables or {"what": "your password was reset"}
    letter = Letter(number, template, shown, channel="sms")
    with app.app_context():
        with writing():
            written = sms.text(letter, who or visitor())
        db.session.commit()
    return written


def numbers(prefix="+49151"):
    """Return different numbers of a prefix."""
    return (f"{prefix}{number:08}" for number in itertools.count(10_000_000))


def prove(app, number):
    with app.app_context():
        with writing():
            sms_budget.proved(number)
        db.session.commit()


def withheld(app):
    return [event.details["budget"] for event in audited(app, "text.withheld")]


def test_a_text_is_written_and_counted(app):
    assert text(app)

    [row] = rows(app, OutboxMessage)
    [prefix] = rows(app, SmsPrefix)
    assert (row.channel, row.recipient) == ("sms", NUMBER)
    assert (prefix.prefix, prefix.sent, prefix.proved) == ("49151", 1, 0)


@pytest.mark.parametrize(
    ("number", "prefix"),
    [
        ("+4915112345678", "49151"),
        ("+12025550123", "1202"),
        ("+447911123456", "44791"),
        ("+3906123456", "39612"),
        ("+8613912345678", "86139"),
    ],
)
def test_a_prefix_is_a_country_and_three_digits(app, number, prefix):
    text(app, number)

    assert [row.prefix for row in rows(app, SmsPrefix)] == [prefix]


def test_a_number_gets_five_texts_in_an_hour_and_ten_in_a_day(app, wait):
    first_hour = [text(app) for _ in range(6)]
    wait(hours=1, seconds=1)
    second_hour = [text(app) for _ in range(6)]
    wait(hours=1, seconds=1)
    rest_of_the_day = text(app)
    wait(hours=24)

    assert first_hour == [True] * 5 + [False]
    assert second_hour == [True] * 5 + [False]
    assert not rest_of_the_day
    assert text(app)


def test_a_network_gets_thirty_texts_in_an_hour_whomever_they_are_for(app):
    everybody = zip(numbers("+49151"), numbers("+44791"), strict=False)
    chosen = [number for pair, _ in zip(everybody, range(16), strict=False) for number in pair]
    sent = [text(app, n, visitor(f"192.0.2.{i}"), {}) for i, n in enumerate(chosen)]

    assert sent == [True] * 30 + [False] * 2
    assert withheld(app) == ["network"] * 2
    assert text(app, chosen[-1], visitor("198.51.100.1"), {})


@pytest.mark.settings(GATEHOUSE_SMS_PREFIX_BUDGET="3")
def test_a_prefix_has_the_budget_that_the_operator_gave_it(app):
    first, other = numbers("+49151"), numbers("+44791")

    assert [text(app, next(first)) for _ in range(4)] == [True] * 3 + [False]
    assert text(app, next(other))
    assert withheld(app) == ["prefix"]


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_the_operator_is_no_network_and_limits_being_on_changes_nothing(app):
    sent = [text(app, number, NOBODY, {}) for number, _ in zip(numbers(), range(32), strict=False)]

    assert sent == [True] * 32


def test_twenty_who_ask_at_once_get_no_more_than_the_budget(app):
    asks = [partial(text, app) for _ in range(20)]

    written = at_once(*asks)

    assert sum(written) == 5
    assert len(rows(app, OutboxMessage)) == 5
    assert withheld(app) == ["number"] * 15


@pytest.mark.settings(GATEHOUSE_SMS_PREFIX_BUDGET="7")
def test_twenty_numbers_at_once_get_no_more_than_the_budget_of_their_prefix(app):
    asks = [partial(text, app, number) for number, _ in zip(numbers(), range(20), strict=False)]

    written = at_once(*asks)

    assert sum(written) == len(rows(app, OutboxMessage)) == 7
    assert [prefix.sent for prefix in rows(app, SmsPrefix)] == [7]


def test_what_is_withheld_is_recorded_and_counted_without_the_number(app):
    about = ("gatehouse_texts_withheld_total", {"budget": "number"})
    before = REGISTRY.get_sample_value(*about) or 0

    for _ in range(6):
        text(app)

    [event] = audited(app, "text.withheld")
    assert event.details == {"budget": "number", "prefix": "49151"}
    assert REGISTRY.get_sample_value(*about) == before + 1
    assert len(rows(app, OutboxMessage)) == 5


def test_what_is_undone_was_not_spent(app):
    for _ in range(8):
        with app.app_context(), writing():
            sms.text(Letter(NUMBER, "sms_login", CODE, channel="sms"), visitor())
            db.session.rollback()

    assert text(app)
    assert len(rows(app, OutboxMessage)) == 1


# Prefixes whose codes do not come back


def spend(app, count, proved):
    """Text codes to as many numbers of a prefix, of which some are typed in."""
    for number, place in zip(numbers(), range(count), strict=False):
        assert text(app, number)
        if place < proved:
            prove(app, number)


def test_a_prefix_is_paused_when_too_few_codes_come_back_and_that_is_told(app, capsys, wait):
    spend(app, 30, proved=5)
    wait(minutes=10, seconds=1)
    capsys.readouterr()

    refused = [text(app, number) for number in ("+4915199999999", "+4915188888888")]

    [paused] = audited(app, "text.prefix_paused")
    [told] = [line for line in lines(capsys) if line["level"] == "error"]
    assert refused == [False, False]
    assert withheld(app) == ["paused", "paused"]
    assert paused.details == {"prefix": "49151", "sent": 30, "proved": 5}
    assert told["prefix"] == "49151"
    assert text(app, "+447911123456")


def test_a_paused_prefix_begins_anew_after_an_hour(app, wait):
    spend(app, 30, proved=5)
    wait(minutes=10, seconds=1)
    assert not text(app, "+4915199999999")

    wait(hours=1, seconds=1)

    assert text(app, "+4915199999999")
    [prefix] = rows(app, SmsPrefix)
    assert (prefix.sent, prefix.proved) == (1, 0)


def test_a_prefix_whose_codes_come_back_is_never_paused(app, wait):
    spend(app, 60, proved=12)
    wait(minutes=10, seconds=1)

    assert text(app, "+4915199999999")
    assert audited(app, "text.prefix_paused") == []


@pytest.mark.parametrize("prefix", ["+49151", "+39061"])  # Italian numbers begin with a zero
def test_a_burst_of_honest_people_pauses_nothing_before_they_could_type_in_their_codes(
    app, wait, prefix
):
    *people, late = [number for number, _ in zip(numbers(prefix), range(61), strict=False)]

    burst = [text(app, number) for number in people]
    wait(minutes=9)
    for number in people[:20]:
        prove(app, number)
    wait(minutes=2)

    assert burst == [True] * 60
    assert text(app, late)
    assert audited(app, "text.prefix_paused") == []


def test_one_who_pumps_without_a_pause_is_paused_as_soon_as_thirty_codes_are_old(app, wait):
    sent = []
    for number, _ in zip(numbers(), range(80), strict=False):
        sent.append(text(app, number))
        wait(seconds=16)

    assert sent.index(False) == 67  # 37 are younger than ten minutes
    assert set(withheld(app)) == {"paused"}


def test_notices_are_no_codes_and_say_nothing_about_a_prefix(app):
    sent = [text(app, n, variables={}) for n, _ in zip(numbers(), range(40), strict=False)]

    assert sent == [True] * 40
    assert [prefix.sent for prefix in rows(app, SmsPrefix)] == [0]


def test_no_more_codes_are_proved_than_were_sent(app):
    text(app)

    for _ in range(3):
        prove(app, NUMBER)

    assert [prefix.proved for prefix in rows(app, SmsPrefix)] == [1]


def test_a_new_day_counts_anew_and_what_rested_is_forgotten(app, wait):
    spend(app, 10, proved=0)
    wait(hours=25)
    text(app)
    [today] = rows(app, SmsPrefix)
    wait(days=3)
    with app.app_context():
        with writing():
            sms_budget.purge()
        db.session.commit()

    assert (today.sent, today.proved) == (1, 0)
    assert rows(app, SmsPrefix) == []
