"""The contract of the channels that send one-time codes, run against every plugin."""

from datetime import timedelta

import pytest

from gatehouse.core import clock, crypto
from gatehouse.database.session import db, write_transaction
from gatehouse.messaging.template_catalog import TEMPLATES
from gatehouse.one_time_codes import redeeming, sending
from gatehouse.one_time_codes import service as store
from gatehouse.one_time_codes.channel import CHANNELS, EMAIL, Recipient
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.sending import CodeRequest
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.web.request_context import RequestContext
from models import OneTimeCode, OutboxMessage
from tests.rows import rows

ADDRESS, NUMBER = "ada@example.com", "+4915112345678"
FIXED = {ADDRESS: "12345678", NUMBER: "123456"}
CONTEXT = RequestContext("192.0.2.7", "Firefox", "r1")
SUBJECT = "the subject"
USER_ID = crypto.new_id()
TYPE = CodeType(
    "login",
    template="login_link",
    short_template="sms_login",
    lifetime_of=lambda _: timedelta(minutes=20),
    page="login-link",
    replaces_older=True,
)

pytestmark = [
    pytest.mark.parametrize("channel", CHANNELS),
    pytest.mark.settings(
        GATEHOUSE_DEV_FIXED_CODES=",".join(f"{name}={code}" for name, code in FIXED.items())
    ),
]


def recipient_of(channel):
    written = ADDRESS if CHANNELS[channel].identifier == EMAIL else NUMBER
    return Recipient(channel, written, written)


def send(app, channel, user_id=USER_ID, **more):
    request = CodeRequest(TYPE, SUBJECT, recipient_of(channel), user_id, **more)
    with app.app_context():
        with write_transaction():
            sent = sending.send_code(request, CONTEXT)
        db.session.commit()
    return sent


def enter(app, channel):
    """Verify the fixed code of the recipient, and consume it."""
    with app.app_context():
        code = FIXED[recipient_of(channel).canonical]
        row = redeeming.verify_code(TYPE, SUBJECT, code)
        with write_transaction():
            redeeming.consume(TYPE, row)
        db.session.commit()


def test_code_is_sent_with_the_variables_of_its_template_and_works_once(app, channel):
    sent = send(app, channel)

    [message] = rows(app, OutboxMessage)
    assert sent.is_enqueued
    assert message.channel == channel
    with app.app_context():
        template = CHANNELS[channel].template(TYPE)
        secrets = store.Secrets(sent.id, "token", "12345678")
        variables = CHANNELS[channel].build_variables(TYPE, secrets, clock.now())
    assert sorted(variables) == sorted(TEMPLATES[template])
    enter(app, channel)
    with pytest.raises(InvalidCode):
        enter(app, channel)


def test_code_of_a_short_message_has_six_digits_and_at_most_ten_minutes(app, channel):
    with app.app_context():
        code_format, lifetime = CHANNELS[channel].code_format(TYPE), TYPE.lifetime

    if CHANNELS[channel].identifier == EMAIL:
        assert (code_format.digits, code_format.lifetime) == (8, lifetime)
    else:
        assert (code_format.digits, code_format.lifetime) == (6, timedelta(minutes=10))


@pytest.mark.requirement("RL-07")
@pytest.mark.parametrize("reason", ["unknown", "not eligible"])
def test_code_that_may_not_be_sent_is_stored_and_never_matches(app, channel, reason):
    sent = (
        send(app, channel, None) if reason == "unknown" else send(app, channel, is_eligible=False)
    )

    assert not sent.is_enqueued
    assert rows(app, OutboxMessage) == []
    assert [row.purpose for row in rows(app, OneTimeCode)] == [TYPE.purpose]
    with pytest.raises(InvalidCode):
        enter(app, channel)
    assert [row.attempts for row in rows(app, OneTimeCode)] == [1]  # counted like a real one


@pytest.mark.requirement("RL-07")
@pytest.mark.parametrize("user_id", [USER_ID, None], ids=["known", "unknown"])
def test_code_limit_of_three_an_hour_counts_known_and_unknown_recipients(
    app, channel, user_id, wait
):
    sent = [send(app, channel, user_id) for _ in range(4)]
    wait(minutes=61)
    later = send(app, channel, user_id)

    assert [one.is_over_limit for one in [*sent, later]] == [False] * 3 + [True, False]
    assert [one.is_enqueued for one in sent[:3]] == [user_id is not None] * 3


def test_code_over_the_limit_leaves_the_last_one_valid(app, channel):
    for _ in range(4):
        send(app, channel)

    enter(app, channel)


def test_code_voids_the_older_ones_of_its_user(app, channel):
    older, newer = send(app, channel), send(app, channel)

    assert [row.id for row in rows(app, OneTimeCode)] == [newer.id]
    assert older.id != newer.id
