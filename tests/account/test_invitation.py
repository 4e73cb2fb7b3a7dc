"""`flask users invite`: a link by mail, for one person, once, with a role."""

from functools import partial

import pytest
from flask_jwt_extended import decode_token

from models import Challenge, OutboxMessage, User, UserRole
from tests.client import PASSWORD, Client
from tests.client import User as Person
from tests.letters import later, letter, link_token, token_of
from tests.rows import audited, rows
from tests.together import at_once

ADA = "ada@example.com"
BLOCKLISTED = "passwordpassword"


def invite(app, address=ADA, *options):
    """Run the command; return what it prints and whether it succeeded."""
    done = app.test_cli_runner().invoke(args=["users", "invite", address, *options])
    return done.output, done.exit_code


def accept(client, token, password=PASSWORD):
    answer = client.post("/auth/invitation", {"token": token, "password": password})
    return answer.status_code, answer.json["code"] if answer.data else None


DONE = (204, None)
INVALID = (401, "invalid_code")


def test_an_invitation_is_printed_and_mailed(app, client):
    output, exit_code = invite(app, ADA, "--role", "admin")

    mail = letter(client, ADA)
    assert exit_code == 0
    assert mail["link"] in output
    assert mail["link"].startswith("http://localhost:8000/accept-invitation/")
    assert mail["role"] == "admin"
    assert [event.details for event in audited(app, "invitation.sent")] == [{"role": "admin"}]


@pytest.mark.stores
def test_who_accepts_has_an_account_with_a_proven_address_and_the_role(app, client):
    invite(app, ADA, "--role", "admin")

    assert accept(client, link_token(client, ADA)) == DONE

    [user] = rows(app, User)
    tokens = client.log_in(Person(ADA))
    with app.app_context():
        claims = decode_token(tokens["access_token"])
    assert (user.email, user.email_verified_at is None) == (ADA, False)
    assert claims["roles"] == tokens["user"]["roles"] == ["admin", "user"]
    assert [event.user_id for event in audited(app, "invitation.accepted")] == [user.id]


def test_without_a_role_the_invited_is_a_user_like_everybody(app, client):
    invite(app)
    accept(client, link_token(client, ADA))

    assert client.log_in(Person(ADA))["user"]["roles"] == ["user"]
    assert rows(app, UserRole) == []


@pytest.mark.requirement("PW-13")
def test_an_operator_invites_with_a_random_link_and_neither_sets_nor_sees_a_password(app, client):
    chosen = invite(app, ADA, "--password", PASSWORD)
    links = {invite(app)[0].split()[-1] for _ in range(20)}

    tokens = {token_of(link) for link in links}
    assert chosen[1] == 2
    assert len(tokens) == 20
    assert {len(token) for token in tokens} == {43}  # 256 bits
    circumstances = {"asked", "address", "device"}
    assert letter(client, ADA).keys() == {"link", "role", "expires"} | circumstances


@pytest.mark.stores
@pytest.mark.requirement("PW-13")
def test_an_invitation_works_once(app, client):
    invite(app)
    token = link_token(client, ADA)

    answers = [accept(client, token), accept(client, token, "another long phrase instead")]

    assert answers == [DONE, INVALID]
    assert client.log_in(Person(ADA))["status"] == "authenticated"
    assert len(rows(app, User)) == len(audited(app, "invitation.failed")) == 1


@pytest.mark.stores
def test_an_invitation_accepted_twenty_times_at_once_makes_one_account(app, client):
    invite(app)
    form = {"token": link_token(client, ADA), "password": PASSWORD}

    answers = client.in_parallel(20, "/auth/invitation", form)

    assert sorted(answer.status_code for answer in answers) == [204] + [401] * 19
    assert len(rows(app, User)) == 1


@pytest.mark.requirement("PW-13")
@pytest.mark.parametrize(("hours", "expected"), [(71, DONE), (73, INVALID)])
def test_an_invitation_lives_for_three_days(app, client, hours, expected):
    invite(app)
    token = link_token(client, ADA)

    with later(hours=hours):
        answer = accept(client, token)

    assert answer == expected
    assert len(rows(app, User)) == (expected == DONE)


@pytest.mark.stores
def test_a_newer_invitation_voids_the_older_one(app, client):
    invite(app, "Ada@example.com", "--role", "admin")
    older = link_token(client, ADA)
    invite(app, ADA)

    answers = [accept(client, older), accept(client, link_token(client, ADA))]

    assert answers == [INVALID, DONE]
    assert client.log_in(Person(ADA))["user"]["roles"] == ["user"]


@pytest.mark.requirement("PW-06")
def test_a_refused_password_leaves_the_invitation_good(app, client):
    invite(app)
    token = link_token(client, ADA)

    refused = client.post("/auth/invitation", {"token": token, "password": BLOCKLISTED})

    assert refused.status_code == 422
    assert refused.json["errors"]["password"][0]["code"] == "password_blocklisted"
    assert accept(client, token) == DONE


@pytest.mark.parametrize(
    ("address", "role", "sentence"),
    [
        ("ADA@example.com", "user", "Error: ADA@example.com has an account already.\n"),
        (
            "bob@example.com",
            "emperor",
            "Error: There is no role 'emperor'; there are admin, user.\n",
        ),
        ("bob", "user", "Error: An email address must have an @-sign.\n"),
    ],
)
def test_who_cannot_be_invited_is_told_in_a_sentence(app, make_user, address, role, sentence):
    make_user(email=ADA)
    letters = len(rows(app, OutboxMessage))

    told = invite(app, address, "--role", role)

    assert told == (sentence, 1)
    assert rows(app, Challenge) == audited(app, "invitation.sent") == []
    assert len(rows(app, OutboxMessage)) == letters


def test_an_accepted_invitation_voids_the_unproven_registrations_of_its_address(app, client):
    client.register(ADA, "mallory chose this phrase")
    code = letter(client, ADA)["code"]
    invite(app)
    accept(client, link_token(client, ADA))

    answer = client.post("/auth/email/verify", {"email": ADA, "code": code})

    assert (answer.status_code, answer.json["code"]) == INVALID
    assert client.log_in(Person(ADA))["status"] == "authenticated"


@pytest.mark.stores
def test_an_invitation_touches_no_account_that_was_made_meanwhile(app, client, make_user):
    invite(app, ADA, "--role", "admin")
    token = link_token(client, ADA)
    make_user(email=ADA)

    answer = accept(client, token, "another long phrase instead")

    assert answer == INVALID
    assert client.log_in(Person(ADA))["user"]["roles"] == ["user"]


@pytest.mark.stores
def test_an_invitation_and_a_registration_proved_at_once_make_one_account(app, client):
    client.register(ADA)
    code = {"email": ADA, "code": letter(client, ADA)["code"]}
    invite(app)
    link = {"token": link_token(client, ADA), "password": PASSWORD}

    answers = at_once(
        partial(Client(app.test_client).post, "/auth/email/verify", code),
        partial(Client(app.test_client).post, "/auth/invitation", link),
    )

    assert [answer.status_code for answer in answers] in ([200, 401], [401, 204])
    assert len(rows(app, User)) == 1


@pytest.mark.requirement("RG-01")
def test_an_invitation_cannot_be_proved_as_a_registration(app, client):
    invite(app)

    form = {"token": link_token(client, ADA), "password": PASSWORD}
    answer = client.post("/auth/email/verify", form)

    assert (answer.status_code, answer.json["code"]) == INVALID
    assert rows(app, User) == []
