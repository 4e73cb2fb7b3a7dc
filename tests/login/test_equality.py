"""Nobody learns from an answer whether an account exists: two hundred times each, in turn."""

import pytest

from gatehouse.foundation import clock
from gatehouse.foundation.database import db, writing
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
def whom(make_user, app, kind):
    """Known and unknown addresses, or proved and unknown numbers; two hundred pairs."""
    known = [make_user(email=f"known-{n:03}@example.com").email for n in range(FEW)]
    if kind == "email":
        return [(email, email.replace("known", "nobod")) for email in known] * OFTEN
    with app.app_context(), writing():
        people = db.session.query(User).all()
        for digit, user in enumerate(people):
            user.phone, user.phone_verified_at = f"+4915112345{digit:03}", clock.now()
        db.session.commit()
        return [(user.phone, user.phone.replace("151", "152")) for user in people] * OFTEN


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
    ("path", "kind", "writes"),
    [
        ("/auth/password/forgot", "email", True),
        ("/auth/password/forgot", "phone", True),
        ("/auth/login/link", "email", True),
        ("/auth/login/link", "phone", True),
        ("/auth/email/resend", "email", False),  # nobody's registration waits
    ],
)
def test_asking_for_a_message_says_the_same_of_known_and_unknown(client, whom, path, kind, writes):
    before = len(client.mailbox())

    told = [shown(client.post(path, {kind: someone})) for pair in whom for someone in pair]

    assert len(told) == 400
    assert {status for status, _, _ in told} == {202}
    assert len(set(told)) == 1
    assert (len(client.mailbox()) > before) is writes  # to those who are known
