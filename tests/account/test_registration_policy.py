"""Registration policy: who can sign up, with which domains; it reveals no account."""

import pytest

from models import OneTimeCode, User
from tests.client import PASSWORD
from tests.rows import rows
from tests.tokens.forgery import case

ADA = "ada@example.com"
CLOSED = (403, "registration_closed")
DOMAINS = {
    "GATEHOUSE_REGISTRATION_DOMAINS": "example.com, *.example.org",
    "GATEHOUSE_REGISTRATION_BLOCKED_DOMAINS": "bad.example.org, *.bad.example.org",
}


def outcome(response):
    body = response.json if response.data else {}
    return response.status_code, body.get("code")


def invite(app, *arguments):
    return app.test_cli_runner().invoke(args=["users", "invite", *arguments]).exit_code


def read_token(client, email):
    return client.mailbox(to=email)[0]["variables"]["link"].rpartition("#")[2]


@pytest.mark.settings(GATEHOUSE_REGISTRATION="invitation")
@pytest.mark.requirement("RL-07")
def test_registration_by_invitation_only_answers_known_and_unknown_addresses_alike(
    app, client, make_user
):
    make_user(email=ADA)

    answers = [client.register(email) for email in (ADA, "new@example.com")]
    options = client.post("/auth/register/options", {"email": "new@example.com"})

    assert {outcome(answer) for answer in (*answers, options)} == {CLOSED}
    bodies = [{**answer.json, "request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1]
    assert rows(app, OneTimeCode) == []
    assert invite(app, "new@example.com") == 0
    form = {"token": read_token(client, "new@example.com"), "password": PASSWORD}
    assert outcome(client.post("/auth/invitation", form)) == (204, None)


@pytest.mark.settings(GATEHOUSE_REGISTRATION="closed")
def test_registration_that_is_closed_creates_no_account_in_any_way(app, client, sign_in_as):
    admin = sign_in_as("admin")

    answers = [
        client.register("new@example.com"),
        client.post("/auth/register/options", {"email": "new@example.com"}),
        client.post("/auth/invitation", {"token": "x" * 43, "password": PASSWORD}),
        admin.post("/admin/users", {"email": "new@example.com"}),
    ]

    assert {outcome(answer) for answer in answers} == {CLOSED}
    assert invite(app, "new@example.com") == 1
    assert len(rows(app, User)) == 1


def test_registration_that_was_closed_meanwhile_stops_what_was_requested_before(app, client):
    client.register(ADA)
    invite(app, "bob@example.com")
    form = {"token": read_token(client, "bob@example.com"), "password": PASSWORD}
    settings = app.extensions["gatehouse.settings"]

    object.__setattr__(settings, "registration", "closed")
    try:
        answers = [client.verify(ADA), client.post("/auth/invitation", form)]
    finally:
        object.__setattr__(settings, "registration", "open")

    assert {outcome(answer) for answer in answers} == {CLOSED}
    assert rows(app, User) == []


@pytest.mark.settings(**DOMAINS)
def test_registration_accepts_addresses_of_the_allowed_domains_only(client, make_user):
    make_user(email="known@elsewhere.example")
    expected = {
        "a@example.com": 202,
        "a@EXAMPLE.com": 202,
        "a@mail.example.org": 202,
        "a@deep.mail.example.org": 202,
        "a@example.org": 422,
        "a@mail.example.com": 422,
        "a@notexample.com": 422,
        "a@example.com.evil.example": 422,
        "a@bad.example.org": 422,
        "a@very.bad.example.org": 422,
        "a@elsewhere.example": 422,
        "known@elsewhere.example": 422,
    }

    for email, status in expected.items():
        with case(email=email):
            answer = client.register(email)
            assert answer.status_code == status
            options = client.post("/auth/register/options", {"email": email})
            assert options.status_code == (200 if status == 202 else 422)
            if status == 422:
                assert answer.json["errors"]["email"][0]["code"] == "email_domain_not_allowed"


@pytest.mark.settings(GATEHOUSE_REGISTRATION_BLOCKED_DOMAINS="throwaway.example")
def test_email_cannot_be_changed_to_a_blocked_domain(app, client, make_user):
    user = make_user(email="ada@throwaway.example")
    mine = client.as_(client.log_in(user))

    blocked = mine.post("/auth/email/change", {"email": "eve@throwaway.example"})
    allowed = mine.post("/auth/email/change", {"email": "eve@example.com"})

    assert outcome(blocked) == (422, "validation_failed")
    assert outcome(allowed) == (202, None)
    assert invite(app, "invited@throwaway.example") == 0
