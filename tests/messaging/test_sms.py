"""SMS budgets per number, network and prefix, and pauses of prefixes with few conversions."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from functools import partial

import pytest
from prometheus_client import REGISTRY

from gatehouse.database.session import db, write_transaction
from gatehouse.messaging import sms, sms_budget
from gatehouse.messaging.message import MessageRequest
from gatehouse.web.request_context import NO_REQUEST, RequestContext
from models import OutboxMessage, SmsPrefix
from tests.log_lines import read_log_lines
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

pytestmark = pytest.mark.stores

NUMBER = "+4915112345678"
CODE = {"code": "314159"}
IP_NUMBERS = itertools.count(1)


def create_context(ip_address=None):
    """Return a request context with the given IP address, or one of a new network."""
    number = next(IP_NUMBERS)
    return RequestContext(
        ip_address or f"10.{number // 256}.{number % 256}.7", "Firefox", f"r{number}"
    )


def send_sms(app, number=NUMBER, context=None, variables=CODE):
    """Send an SMS and commit; return whether it was written to the outbox."""
    template = "sms_login" if variables is CODE else "sms_notice"
    variables = variables or {"what": "your password was reset"}
    message = MessageRequest(number, template, variables, channel="sms")
    with app.app_context():
        with write_transaction():
            written = sms.send(message, context or create_context())
        db.session.commit()
    return written


def generate_numbers(prefix="+49151"):
    """Yield different numbers with a prefix."""
    return (f"{prefix}{number:08}" for number in itertools.count(10_000_000))


def record_conversion(app, number):
    with app.app_context():
        with write_transaction():
            sms_budget.record_conversion(number)
        db.session.commit()


def suppressed_budgets(app):
    return [event.details["budget"] for event in audited(app, "sms.suppressed")]


def test_sms_is_written_and_counted(app):
    assert send_sms(app)

    [row] = rows(app, OutboxMessage)
    [prefix] = rows(app, SmsPrefix)
    assert (row.channel, row.recipient) == ("sms", NUMBER)
    assert (prefix.prefix, prefix.sent, prefix.converted) == ("49151", 1, 0)


def test_sms_budget_of_a_number_is_five_an_hour_and_ten_a_day(app, wait):
    first_hour = [send_sms(app) for _ in range(6)]
    wait(hours=1, seconds=1)
    second_hour = [send_sms(app) for _ in range(6)]
    wait(hours=1, seconds=1)
    third_hour = send_sms(app)
    wait(hours=24)

    assert first_hour == [True] * 5 + [False]
    assert second_hour == [True] * 5 + [False]
    assert not third_hour
    assert send_sms(app)


def test_sms_budget_of_a_network_is_thirty_an_hour_to_any_number(app):
    pairs = zip(generate_numbers("+49151"), generate_numbers("+44791"), strict=False)
    chosen = [number for pair, _ in zip(pairs, range(16), strict=False) for number in pair]
    sent = [send_sms(app, n, create_context(f"192.0.2.{i}"), {}) for i, n in enumerate(chosen)]

    assert sent == [True] * 30 + [False] * 2
    assert suppressed_budgets(app) == ["network"] * 2
    assert send_sms(app, chosen[-1], create_context("198.51.100.1"), {})


@pytest.mark.settings(GATEHOUSE_SMS_PREFIX_BUDGET="3")
def test_sms_budget_of_a_prefix_is_a_setting(app):
    first, other = generate_numbers("+49151"), generate_numbers("+44791")

    assert [send_sms(app, next(first)) for _ in range(4)] == [True] * 3 + [False]
    assert send_sms(app, next(other))
    assert suppressed_budgets(app) == ["prefix"]


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
def test_sms_of_cli_commands_are_not_limited_by_network_or_route_limits(app):
    sent = [
        send_sms(app, number, NO_REQUEST, {})
        for number, _ in zip(generate_numbers(), range(32), strict=False)
    ]

    assert sent == [True] * 32


def test_sms_budget_of_a_number_holds_in_twenty_parallel_requests(app):
    calls = [partial(send_sms, app) for _ in range(20)]

    written = run_in_parallel(*calls)

    assert sum(written) == 5
    assert len(rows(app, OutboxMessage)) == 5
    assert suppressed_budgets(app) == ["number"] * 15


@pytest.mark.settings(GATEHOUSE_SMS_PREFIX_BUDGET="7")
def test_sms_budget_of_a_prefix_holds_for_twenty_numbers_in_parallel(app):
    calls = [
        partial(send_sms, app, number)
        for number, _ in zip(generate_numbers(), range(20), strict=False)
    ]

    written = run_in_parallel(*calls)

    assert sum(written) == len(rows(app, OutboxMessage)) == 7
    assert [prefix.sent for prefix in rows(app, SmsPrefix)] == [7]


def test_suppressed_sms_is_audited_and_counted_without_the_number(app):
    metric = ("gatehouse_sms_suppressed_total", {"budget": "number"})
    before = REGISTRY.get_sample_value(*metric) or 0

    for _ in range(6):
        send_sms(app)

    [event] = audited(app, "sms.suppressed")
    assert event.details == {"budget": "number", "prefix": "49151"}
    assert REGISTRY.get_sample_value(*metric) == before + 1
    assert len(rows(app, OutboxMessage)) == 5


def test_sms_of_a_rolled_back_transaction_is_not_counted(app):
    for _ in range(8):
        with app.app_context(), write_transaction():
            sms.send(MessageRequest(NUMBER, "sms_login", CODE, channel="sms"), create_context())
            db.session.rollback()

    assert send_sms(app)
    assert len(rows(app, OutboxMessage)) == 1


# Conversions


def send_codes(app, count, converted):
    """Send codes to different numbers of a prefix, of which some are entered."""
    for number, index in zip(generate_numbers(), range(count), strict=False):
        assert send_sms(app, number)
        if index < converted:
            record_conversion(app, number)


def test_sms_prefix_with_too_few_conversions_is_paused_audited_and_logged(app, capsys, wait):
    send_codes(app, 30, converted=5)
    wait(minutes=10, seconds=1)
    capsys.readouterr()

    results = [send_sms(app, number) for number in ("+4915199999999", "+4915188888888")]

    [paused] = audited(app, "sms.prefix_paused")
    [logged] = [line for line in read_log_lines(capsys) if line["level"] == "error"]
    assert results == [False, False]
    assert suppressed_budgets(app) == ["paused", "paused"]
    assert paused.details == {"prefix": "49151", "sent": 30, "converted": 5}
    assert logged["prefix"] == "49151"
    assert send_sms(app, "+447911123456")


def test_sms_prefix_is_counted_from_zero_after_an_hour_of_pause(app, wait):
    send_codes(app, 30, converted=5)
    wait(minutes=10, seconds=1)
    assert not send_sms(app, "+4915199999999")

    wait(hours=1, seconds=1)

    assert send_sms(app, "+4915199999999")
    [prefix] = rows(app, SmsPrefix)
    assert (prefix.sent, prefix.converted) == (1, 0)


def test_sms_prefix_with_enough_conversions_is_not_paused(app, wait):
    send_codes(app, 60, converted=12)
    wait(minutes=10, seconds=1)

    assert send_sms(app, "+4915199999999")
    assert audited(app, "sms.prefix_paused") == []


@pytest.mark.parametrize("prefix", ["+49151", "+39061"])  # Italian numbers begin with a zero
def test_sms_prefix_is_not_paused_by_a_burst_whose_codes_can_still_be_entered(app, wait, prefix):
    *burst_numbers, last = [
        number for number, _ in zip(generate_numbers(prefix), range(61), strict=False)
    ]

    burst = [send_sms(app, number) for number in burst_numbers]
    wait(minutes=9)
    for number in burst_numbers[:20]:
        record_conversion(app, number)
    wait(minutes=2)

    assert burst == [True] * 60
    assert send_sms(app, last)
    assert audited(app, "sms.prefix_paused") == []


def test_sms_prefix_is_paused_during_continuous_pumping_when_thirty_codes_have_expired(
    app, wait, time_machine
):
    time_machine.move_to(datetime.now(UTC), tick=False)
    sent = []
    for number, _ in zip(generate_numbers(), range(80), strict=False):
        sent.append(send_sms(app, number))
        wait(seconds=16)

    assert sent.index(False) == 67  # 37 are younger than ten minutes
    assert set(suppressed_budgets(app)) == {"paused"}


def test_notifications_by_sms_do_not_count_as_codes_of_a_prefix(app):
    sent = [
        send_sms(app, n, variables={}) for n, _ in zip(generate_numbers(), range(40), strict=False)
    ]

    assert sent == [True] * 40
    assert [prefix.sent for prefix in rows(app, SmsPrefix)] == [0]


def test_sms_conversions_never_exceed_the_codes_sent(app):
    send_sms(app)

    for _ in range(3):
        record_conversion(app, NUMBER)

    assert [prefix.converted for prefix in rows(app, SmsPrefix)] == [1]


def test_sms_prefix_counts_are_reset_after_a_day_and_deleted_when_stale(app, wait):
    send_codes(app, 10, converted=0)
    wait(hours=25)
    send_sms(app)
    [today] = rows(app, SmsPrefix)
    wait(days=3)
    with app.app_context():
        with write_transaction():
            sms_budget.purge_prefixes()
        db.session.commit()

    assert (today.sent, today.converted) == (1, 0)
    assert rows(app, SmsPrefix) == []
