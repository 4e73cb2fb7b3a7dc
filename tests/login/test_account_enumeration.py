"""No response reveals whether an account exists, in two hundred known and unknown pairs each."""

import pytest
import sqlalchemy as sa

from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from models import User
from tests.client import PASSWORD

USERS, ATTEMPTS_PER_USER = 40, 5  # a sixth wrong password would be throttled
RECIPIENTS, REQUESTS_PER_RECIPIENT = 10, 20
WRONG = "seven wrong lanterns"


@pytest.fixture
def pairs(make_user):
    """Known and unknown e-mail addresses of equal length, two hundred pairs of many users."""
    known = [make_user(email=f"known-{n:03}@example.com").email for n in range(USERS)]
    return [(email, email.replace("known", "unkwn")) for email in known] * ATTEMPTS_PER_USER


@pytest.fixture
def addresses(make_user):
    """Known and unknown e-mail addresses, two hundred pairs of few users."""
    known = [make_user(email=f"known-{n:03}@example.com").email for n in range(RECIPIENTS)]
    return [(email, email.replace("known", "unkwn")) for email in known] * REQUESTS_PER_RECIPIENT


@pytest.fixture
def numbers(make_user, app):
    """Verified and unknown numbers, two hundred pairs of few users."""
    known = [f"+4915112345{n:03}" for n in range(RECIPIENTS)]
    for number in known:
        make_user(phone=number)
    with app.app_context(), write_transaction():
        db.session.execute(sa.update(User).values(phone_verified_at=clock.now()))
        db.session.commit()
    return [(number, number.replace("151", "152")) for number in known] * REQUESTS_PER_RECIPIENT


def observable_parts(response):
    """Return what a client can observe, without ids and the date."""
    headers = {
        name: value for name, value in response.headers if name not in ("X-Request-Id", "Date")
    }
    text = response.text.replace(response.headers["X-Request-Id"], "ID")
    for name in ("login_token", "registration_token"):
        if token := response.json.get(name):
            text = text.replace(token, "x" * len(token))
    return response.status_code, text, str(headers)


@pytest.mark.requirement("RL-07")
def test_login_response_is_the_same_for_known_and_unknown_accounts(client, pairs):
    def log_in(identifier):
        return observable_parts(
            client.post("/auth/login", {"identifier": identifier, "password": WRONG})
        )

    observed = [(log_in(known), log_in(unknown)) for known, unknown in pairs]

    assert len(observed) == 200
    assert {status for pair in observed for status, _, _ in pair} == {401}
    assert len({response for pair in observed for response in pair}) == 1


@pytest.mark.requirement("RL-07")
def test_registration_response_is_the_same_for_known_and_unknown_addresses(client, pairs):
    observed = [
        observable_parts(client.register(email, PASSWORD)) for pair in pairs for email in pair
    ]

    assert len(observed) == 400
    assert {status for status, _, _ in observed} == {202}
    assert len(set(observed)) == 1


@pytest.mark.requirement("RL-07")
@pytest.mark.parametrize(
    ("path", "sends_email"),
    [
        ("/auth/password/forgot", True),
        ("/auth/login/link", True),
        ("/auth/email/resend", False),  # there is no pending registration
    ],
)
def test_email_request_response_is_the_same_for_known_and_unknown_addresses(
    client, addresses, path, sends_email
):
    observed = [
        observable_parts(client.post(path, {"email": one})) for pair in addresses for one in pair
    ]

    assert len(observed) == 400
    assert {status for status, _, _ in observed} == {202}
    assert len(set(observed)) == 1
    assert bool(client.mailbox()) is sends_email  # only to known users


@pytest.mark.requirement("RL-07")
@pytest.mark.parametrize(
    ("path", "template"),
    [("/auth/password/forgot", "sms_reset"), ("/auth/login/link", "sms_login")],
)
def test_sms_request_response_is_the_same_for_known_and_unknown_numbers(
    client, numbers, path, template
):
    observed = [
        observable_parts(client.post(path, {"phone": one})) for pair in numbers for one in pair
    ]

    assert len(observed) == 400
    assert {status for status, _, _ in observed} == {202}
    assert len(set(observed)) == 1
    assert {item["template"] for item in client.mailbox()} == {template}  # only to known users
