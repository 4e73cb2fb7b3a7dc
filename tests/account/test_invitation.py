"""`gatehouse users invite`: sends a link that creates one account, with a role."""

from functools import partial

import pytest

from gatehouse.operations import cleanup
from models import OneTimeCode, OutboxMessage, RoleAssignment, User
from tests.client import PASSWORD, Client
from tests.client import User as ClientUser
from tests.mail_links import advance_clock, read_link_token, read_mail, token_of
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.sessions.token_responses import token_claims

ADA = "ada@example.com"
BLOCKLISTED = "passwordpassword"


def invite(app, email=ADA, *options):
    """Run the command; return its output and exit code."""
    result = app.test_cli_runner().invoke(args=["users", "invite", email, *options])
    return result.output, result.exit_code


def accept(client, token, password=PASSWORD):
    response = client.post("/auth/invitation", {"token": token, "password": password})
    return response.status_code, response.json["code"] if response.data else None


DONE = (204, None)
INVALID = (401, "invalid_code")


def test_invitation_link_is_printed_and_sent_by_email(app, client):
    output, exit_code = invite(app, ADA, "--role", "admin")

    mail = read_mail(client, ADA)
    assert exit_code == 0
    assert mail["link"] in output
    assert mail["link"].startswith("http://localhost:8000/accept-invitation/")
    assert mail["role"] == "admin"
    assert [event.details for event in audited(app, "invitation.sent")] == [{"role": "admin"}]


@pytest.mark.settings(GATEHOUSE_INVITATION_LIFETIME="3600")
@pytest.mark.requirement("PW-13")
def test_invitation_works_as_long_as_the_setting_says(app, client, wait):
    invite(app, ADA)
    token = read_link_token(client, ADA)
    wait(minutes=61)

    assert accept(client, token) == INVALID


@pytest.mark.stores
def test_invitation_creates_an_account_with_verified_email_and_role(app, client):
    invite(app, ADA, "--role", "admin")

    assert accept(client, read_link_token(client, ADA)) == DONE

    [user] = rows(app, User)
    tokens = client.log_in(ClientUser(ADA))
    with app.app_context():
        claims = token_claims(tokens, "access_token")
    assert (user.email, user.email_verified_at is None) == (ADA, False)
    assert claims["roles"] == tokens["user"]["roles"] == ["admin", "user"]
    assert [event.user_id for event in audited(app, "invitation.accepted")] == [user.id]


def test_invitation_without_a_role_gives_the_default_role(app, client):
    invite(app)
    accept(client, read_link_token(client, ADA))

    assert client.log_in(ClientUser(ADA))["user"]["roles"] == ["user"]
    assert rows(app, RoleAssignment) == []


@pytest.mark.requirement("PW-13")
def test_invitation_link_is_random_and_the_operator_sets_no_password(app, client):
    with_password = invite(app, ADA, "--password", PASSWORD)
    links = {invite(app)[0].split()[-1] for _ in range(20)}

    tokens = {token_of(link) for link in links}
    assert with_password[1] == 2
    assert len(tokens) == 20
    assert {len(token) for token in tokens} == {43}  # 256 bits
    request_variables = {"asked", "address", "device"}
    assert read_mail(client, ADA).keys() == {"link", "role", "expires"} | request_variables


@pytest.mark.stores
@pytest.mark.requirement("PW-13")
def test_invitation_works_once(app, client):
    invite(app)
    token = read_link_token(client, ADA)

    responses = [accept(client, token), accept(client, token, "another long phrase instead")]

    assert responses == [DONE, INVALID]
    assert client.log_in(ClientUser(ADA))["status"] == "authenticated"
    assert len(rows(app, User)) == len(audited(app, "invitation.failed")) == 1


@pytest.mark.stores
def test_invitation_accepted_twenty_times_in_parallel_creates_one_account(app, client):
    invite(app)
    form = {"token": read_link_token(client, ADA), "password": PASSWORD}

    responses = client.in_parallel(20, "/auth/invitation", form)

    assert sorted(response.status_code for response in responses) == [204] + [401] * 19
    assert len(rows(app, User)) == 1


@pytest.mark.requirement("PW-13")
@pytest.mark.parametrize(("hours", "expected"), [(71, DONE), (73, INVALID)])
def test_invitation_expires_after_three_days(app, client, hours, expected):
    invite(app)
    token = read_link_token(client, ADA)

    with advance_clock(hours=hours):
        response = accept(client, token)

    assert response == expected
    assert len(rows(app, User)) == (expected == DONE)


@pytest.mark.stores
def test_invitation_voids_older_ones_of_the_same_address(app, client):
    invite(app, "Ada@example.com", "--role", "admin")
    older = read_link_token(client, ADA)
    invite(app, ADA)

    responses = [accept(client, older), accept(client, read_link_token(client, ADA))]

    assert responses == [INVALID, DONE]
    assert client.log_in(ClientUser(ADA))["user"]["roles"] == ["user"]


@pytest.mark.requirement("PW-06")
def test_invitation_stays_valid_after_a_rejected_password(app, client):
    invite(app)
    token = read_link_token(client, ADA)

    rejected = client.post("/auth/invitation", {"token": token, "password": BLOCKLISTED})

    assert rejected.status_code == 422
    assert rejected.json["errors"]["password"][0]["code"] == "password_blocklisted"
    assert accept(client, token) == DONE


def test_invitation_command_explains_why_it_fails(app, make_user):
    make_user(email=ADA)
    messages = len(rows(app, OutboxMessage))

    for email, role, message in (
        ("ADA@example.com", "user", "ADA@example.com has an account already."),
        (
            "bob@example.com",
            "emperor",
            "There is no role 'emperor'; there are admin, auditor, support, user.",
        ),
        ("bob", "user", "An email address must have an @-sign."),
    ):
        assert invite(app, email, "--role", role) == (f"Error: {message}\n", 1)
    assert rows(app, OneTimeCode) == audited(app, "invitation.sent") == []
    assert len(rows(app, OutboxMessage)) == messages


def test_invitation_voids_pending_registrations_of_its_address(app, client):
    client.register(ADA, "mallory chose this phrase")
    code = read_mail(client, ADA)["code"]
    invite(app)
    accept(client, read_link_token(client, ADA))

    response = client.verify_code(ADA, code)

    assert (response.status_code, response.json["code"]) == INVALID
    assert client.log_in(ClientUser(ADA))["status"] == "authenticated"


@pytest.mark.stores
def test_invitation_fails_if_the_address_got_an_account_meanwhile(app, client, make_user):
    invite(app, ADA, "--role", "admin")
    token = read_link_token(client, ADA)
    make_user(email=ADA)

    response = accept(client, token, "another long phrase instead")

    assert response == INVALID
    assert client.log_in(ClientUser(ADA))["user"]["roles"] == ["user"]


@pytest.mark.stores
def test_invitation_and_registration_in_parallel_create_one_account(app, client):
    client.register(ADA)
    code = {"email": ADA, "code": read_mail(client, ADA)["code"], "password": PASSWORD}
    invite(app)
    link = {"token": read_link_token(client, ADA), "password": PASSWORD}

    responses = run_in_parallel(
        partial(Client(app.test_client).post, "/auth/email/verify", code),
        partial(Client(app.test_client).post, "/auth/invitation", link),
    )

    assert [response.status_code for response in responses] in ([200, 401], [401, 204])
    assert len(rows(app, User)) == 1


@pytest.mark.requirement("RG-01")
def test_invitation_link_is_not_accepted_as_a_registration(app, client):
    invite(app)

    form = {"token": read_link_token(client, ADA), "password": PASSWORD}
    response = client.post("/auth/email/verify", form)

    assert (response.status_code, response.json["code"]) == INVALID
    assert rows(app, User) == []


@pytest.mark.stores
@pytest.mark.requirement("RG-11")
def test_invitation_that_ends_soon_is_announced_once_a_day_before(app, client, wait):
    invite(app, ADA)
    token = read_link_token(client, ADA)
    invite(app, "bob@example.com")
    assert accept(client, read_link_token(client, "bob@example.com")) == DONE
    found = []

    for days in (0.1, 1.7, 0.5, 0.3):
        wait(days=days)
        with app.app_context():
            for _ in range(2):
                cleanup.run_cleanup()
        found.append(len(audited(app, "invitation.reminded")))

    mail = client.mailbox(to=ADA)[0]
    assert found == [0, 0, 1, 1]
    assert mail["subject"] == "Your invitation ends soon"
    assert accept(client, token) == DONE


@pytest.mark.settings(GATEHOUSE_INVITATION_LIFETIME="172000")
def test_short_invitation_is_not_announced_again(app, client, wait):
    invite(app, ADA)

    wait(hours=30)
    with app.app_context():
        cleanup.run_cleanup()

    assert audited(app, "invitation.reminded") == []
