"""A registration's mail, once more: new secrets, the same registration, and no further guesses."""

import pytest

from models import Challenge, User
from tests.client import PASSWORD
from tests.letters import letter, other_code, token_of
from tests.rows import audited, rows

ADA = "ada@example.com"
HIS, HERS = "mallory chose this phrase", "ada chose another phrase"
INVALID = (401, "invalid_code")

pytestmark = pytest.mark.stores


def resend(client, email=ADA, **request):
    return client.post("/auth/email/resend", {"email": email}, **request)


def by_code(client, code):
    return client.post("/auth/email/verify", {"email": ADA, "code": code})


def told(answer):
    return answer.status_code, answer.json.get("code", answer.json.get("status"))


def test_a_mail_comes_again_with_new_secrets_and_the_old_ones_are_void(app, client):
    client.register(ADA)
    old = letter(client, ADA)

    answer = resend(client, "ADA@example.com")

    new = letter(client, ADA)
    assert told(answer) == (202, "sent")
    assert told(by_code(client, old["code"])) == INVALID
    form = {"token": token_of(old["link"]), "password": PASSWORD}
    assert told(client.post("/auth/email/verify", form)) == INVALID
    assert told(by_code(client, new["code"])) == (200, "verified")
    assert len(audited(app, "registration.resent")) == 1


@pytest.mark.requirement("RL-07")
def test_where_nothing_waits_the_answer_is_the_same_and_nothing_is_mailed(client, make_user):
    bob = make_user(email="bob@example.com")
    client.register(ADA)
    before = len(client.mailbox())

    answers = [resend(client, email) for email in (ADA, bob.email, "nobody@example.com")]

    assert len({(answer.status_code, answer.text) for answer in answers}) == 1
    assert len(client.mailbox()) == before + 1


@pytest.mark.requirement("RL-03")
def test_sending_again_gives_no_further_guesses(app, client, wait):
    client.register(ADA)
    answers = []
    for _ in range(6):
        wrong = other_code(letter(client, ADA)["code"])
        answers += [told(by_code(client, wrong)) for _ in range(5)]
        wait(minutes=21)
        resend(client)

    assert answers == [INVALID] * 25 + [(429, "too_many_attempts")] * 5
    assert rows(app, User) == []


def test_registering_and_resending_share_three_mails_an_hour(app, client):
    client.register(ADA)

    answers = [told(resend(client)) for _ in range(4)]

    assert answers == [(202, "sent")] * 4
    assert len(client.mailbox(to=ADA)) == 3
    assert told(by_code(client, letter(client, ADA)["code"])) == (200, "verified")


@pytest.mark.requirement("RG-08")
def test_of_several_that_wait_the_one_from_here_is_sent(client):
    client.register(ADA, HERS)
    form = {"email": ADA, "password": HIS}
    client.post("/auth/register", form, environ_overrides={"REMOTE_ADDR": "198.51.100.7"})

    resend(client)

    mail = letter(client, ADA)
    assert mail["address"] == "127.0.0.1"
    assert by_code(client, mail["code"]).status_code == 200
    form = {"identifier": ADA, "password": HERS}
    assert client.post("/auth/login", form).status_code == 200


def test_sending_again_lets_nothing_live_longer(app, client, wait):
    client.register(ADA)
    [before] = rows(app, Challenge)
    wait(hours=23)

    resend(client)

    [after] = rows(app, Challenge)
    assert after.expires_at == before.expires_at
    wait(hours=2)
    assert told(by_code(client, letter(client, ADA)["code"])) == INVALID
