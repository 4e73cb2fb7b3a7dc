"""Nobody learns from an answer whether an account exists: two hundred times each, in turn."""

import pytest

from tests.client import PASSWORD

PEOPLE, EACH = 40, 5  # a sixth wrong password would wait
WRONG = "seven wrong lanterns"


@pytest.fixture
def pairs(make_user):
    """Known and unknown addresses of equal length, two hundred pairs."""
    known = [make_user(email=f"known-{n:03}@example.com").email for n in range(PEOPLE)]
    return [(email, email.replace("known", "nobod")) for email in known] * EACH


def shown(answer):
    """Return all that a stranger can compare: status, bytes and headers, but for ids and date."""
    kept = {name: value for name, value in answer.headers if name not in ("X-Request-Id", "Date")}
    return answer.status_code, answer.text.replace(answer.headers["X-Request-Id"], "ID"), str(kept)


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
