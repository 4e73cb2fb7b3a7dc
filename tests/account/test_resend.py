"""Resending the e-mail of a registration: new secrets, no further attempts, no longer lifetime."""

import pytest

from models import OneTimeCode, User
from tests.client import PASSWORD
from tests.mail_links import read_mail, token_of, wrong_code
from tests.rows import audited, rows

ADA = "ada@example.com"
MALLORY_PASSWORD, ADA_PASSWORD = "mallory chose this phrase", "ada chose another phrase"
INVALID = (401, "invalid_code")

pytestmark = pytest.mark.stores


def resend(client, email=ADA, **request):
    return client.post("/auth/email/resend", {"email": email}, **request)


def by_code(client, code, password=PASSWORD):
    form = {"email": ADA, "code": code, "password": password}
    return client.post("/auth/email/verify", form)


def status_and_code(response):
    return response.status_code, response.json.get("code", response.json.get("status"))


def test_resend_sends_new_code_and_link_and_voids_the_old_ones(app, client):
    client.register(ADA)
    old = read_mail(client, ADA)

    response = resend(client, "ADA@example.com")

    new = read_mail(client, ADA)
    assert status_and_code(response) == (202, "sent")
    assert status_and_code(by_code(client, old["code"])) == INVALID
    form = {"token": token_of(old["link"]), "password": PASSWORD}
    assert status_and_code(client.post("/auth/email/verify", form)) == INVALID
    assert status_and_code(by_code(client, new["code"])) == (200, "verified")
    assert len(audited(app, "registration.resent")) == 1


@pytest.mark.requirement("RL-07")
def test_resend_response_is_the_same_without_a_pending_registration(client, make_user):
    bob = make_user(email="bob@example.com")
    client.register(ADA)
    before = len(client.mailbox())

    responses = [resend(client, email) for email in (ADA, bob.email, "unknown@example.com")]

    assert len({(response.status_code, response.text) for response in responses}) == 1
    assert len(client.mailbox()) == before + 1


@pytest.mark.requirement("RL-03")
def test_resend_does_not_reset_code_attempts(app, client, wait):
    client.register(ADA)
    responses = []
    for _ in range(6):
        wrong = wrong_code(read_mail(client, ADA)["code"])
        responses += [status_and_code(by_code(client, wrong)) for _ in range(5)]
        wait(minutes=21)
        resend(client)

    assert responses == [INVALID] * 25 + [(429, "too_many_attempts")] * 5
    assert rows(app, User) == []


def test_resend_and_registration_share_the_limit_of_three_emails_per_hour(app, client):
    client.register(ADA)

    responses = [status_and_code(resend(client)) for _ in range(4)]

    assert responses == [(202, "sent")] * 4
    assert len(client.mailbox(to=ADA)) == 3
    assert status_and_code(by_code(client, read_mail(client, ADA)["code"])) == (200, "verified")


@pytest.mark.requirement("RG-08")
def test_resend_chooses_the_registration_of_the_same_ip_address(client):
    client.register(ADA, ADA_PASSWORD)
    form = {"email": ADA, "password": MALLORY_PASSWORD}
    client.post("/auth/register", form, environ_overrides={"REMOTE_ADDR": "198.51.100.7"})

    resend(client)

    mail = read_mail(client, ADA)
    assert mail["address"] == "127.0.0.1"
    assert by_code(client, mail["code"], ADA_PASSWORD).status_code == 200
    form = {"identifier": ADA, "password": ADA_PASSWORD}
    assert client.post("/auth/login", form).status_code == 200


def test_resend_does_not_extend_the_lifetime(app, client, wait):
    client.register(ADA)
    [before] = rows(app, OneTimeCode)
    wait(hours=23)

    resend(client)

    [after] = rows(app, OneTimeCode)
    assert after.expires_at == before.expires_at
    wait(hours=2)
    assert status_and_code(by_code(client, read_mail(client, ADA)["code"])) == INVALID
