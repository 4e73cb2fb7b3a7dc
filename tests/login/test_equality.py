"""Nobody learns from an answer whether an account exists: two hundred times each, in turn."""

import pytest
import sqlalchemy as sa

from gatehouse.core import clock
from gatehouse.database.session import db, writing
from models import User
from tests.client import PASSWORD

PEOPLE, EACH = 40, 5  # a sixth wrong password would wait
FEW, OFTEN = 10, 20
WRONG = "seven wrong lanterns"


@pytest.fixture
def pairs(make_user):
    """Known and unknown addresses of equal length, two hundred pairs."""
    known = [make_user(email=f"known-{n:03}@example.com").email for n in range(PEOPLE)]
    return [(email, email.replace("known", "nobod")) for email in known] * EACH


@pytest.fixture
def addresses(make_user):
    """Known and unknown addresses; two hundred pairs of few people."""
    known = [make_user(email=f"known-{n:03}@example.com").email for n in range(FEW)]
    return [(email, email.replace("known", "nobod")) for email in known] * OFTEN


@pytest.fixture
def numbers(make_user, app):
    """Proved and unknown numbers; two hundred pairs of few people."""
    known = [f"+4915112345{n:03}" for n in range(FEW)]
    for number in known:
        make_user(phone=number)
    with app.app_context(), writing():
        db.session.execute(sa.update(User).values(phone_verified_at=clock.now()))
        db.session.commit()
    return [(number, number.replace("151", "152")) for number in known] * OFTEN


def shown(answer):
    """Return all that a stranger can compare: status, bytes and headers, but for ids and date."""
    kept = {name: value for name, value in answer.headers if name not in ("X-Request-Id", "Date")}
    text = answer.text.replace(answer.headers["X-Request-Id"], "ID")
    if login_token := answer.json.get("login_token"):
        text = text.replace(login_token, "x" * len(login_token))
    return answer.status_code, text, str(kept)


@pytest.mark.requirement("RL-07")
def test_logging_in_says_the_same_of_known_and_unknown_accounts(client, pairs):
    def log_in(identifier):
        return shown(client.post("/auth/login", {"identifier": identifier, "password": WRONG}))

    told = [(log_in(known), log_in(unknown)) for known, unknown in pairs]

    assert len(told) == 200
    assert {status for pair in told for status, _, _ in pair} == {401}
    assert len({answer for pair in told for answer in pair}) == 1


@pytest.mark.requirement("RL-07")
def test_registering_says_the_same_of_known_and_unknown_addresses(client, pairs):
    told = [shown(client.register(email, PASSWORD)) for pair in pairs for email in pair]

    assert len(told) == 400
    assert {status for status, _, _ in told} == {202}
    assert len(set(told)) == 1


@pytest.mark.requirement("RL-07")
@pytest.mark.parametrize(
    ("path", "writes"),
    [
        ("/auth/password/forgot", True),
        ("/auth/login/link", True),
        ("/auth/email/resend", False),  # nobody's registration waits
    ],
)
def test_asking_for_a_mail_says_the_same_of_known_and_unknown_addresses(
    client, addresses, path, writes
):
    told = [shown(client.post(path, {"email": one})) for pair in addresses for one in pair]

    assert len(told) == 400
    assert {status for status, _, _ in told} == {202}
    assert len(set(told)) == 1
    assert bool(client.mailbox()) is writes  # to those who are known


@pytest.mark.requirement("RL-07")
@pytest.mark.parametrize(
    ("path", "template"),
    [("/auth/password/forgot", "sms_reset"), ("/auth/login/link", "sms_login")],
)
def test_asking_for_a_text_says_the_same_of_known_and_unknown_numbers(
    client, numbers, path, template
):
    told = [shown(client.post(path, {"phone": one})) for pair in numbers for one in pair]

    assert len(told) == 400
    assert {status for status, _, _ in told} == {202}
    assert len(set(told)) == 1
    assert {item["template"] for item in client.mailbox()} == {template}  # to those who are known
