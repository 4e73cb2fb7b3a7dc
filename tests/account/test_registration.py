"""Registration: one response for known and unknown addresses, and an e-mail that differs."""

import pytest

from models import OneTimeCode, OutboxMessage, User
from tests.client import PASSWORD
from tests.mail_links import advance_clock, read_mail
from tests.rows import audited, rows

pytestmark = pytest.mark.stores

ADA = "ada@example.com"
PRIVILEGES = {
    "role": "admin",
    "roles": ["admin"],
    "is_admin": True,
    "email_verified": True,
    "email_verified_at": "2026-01-01T00:00:00Z",
    "phone_verified_at": "2026-01-01T00:00:00Z",
    "disabled_at": None,
    "id": "0198c5a0-0000-7000-8000-000000000000",
    "user_id": "0198c5a0-0000-7000-8000-000000000000",
    "password_hash": "$2b$04$" + "." * 53,
    "hash": "$2b$04$" + "." * 53,
    "pepper": "test",
    "created_at": "2026-01-01T00:00:00Z",
    "tenant": "acme",
    "mfa": False,
    "__class__": "User",
}


def observable_parts(response):
    """Return what a client can observe, without ids, the date and the (random) token."""
    headers = {
        name: value for name, value in response.headers if name not in ("X-Request-Id", "Date")
    }
    body = {name: value for name, value in response.json.items() if name != "request_id"}
    if token := body.get("registration_token"):
        body["registration_token"] = len(token)
    return response.status_code, body, headers


def list_recipients(client):
    return [mail["to"] for mail in client.mailbox()]


def test_registration_becomes_an_account_with_its_emailed_code(app, client):
    client.register(ADA)

    assert client.verify(ADA).json == {"status": "verified"}

    [user] = rows(app, User)
    assert (user.email, user.email_verified_at is None) == (ADA, False)
    assert rows(app, OneTimeCode) == []
    assert [event.user_id for event in audited(app, "registration.verified")] == [user.id]
    assert client.post("/auth/login", {"identifier": ADA, "password": PASSWORD}).status_code == 200


def test_registration_response_is_the_same_for_known_and_unknown_addresses(client, make_user):
    make_user(email=ADA)

    known, unknown = client.register(ADA), client.register("bob@example.com")

    assert observable_parts(known) == observable_parts(unknown)
    assert known.status_code == 202
    assert known.json.keys() == {"status", "registration_token"}
    assert known.json["status"] == "verification_required"
    assert known.json["registration_token"] != unknown.json["registration_token"]


def test_registration_of_a_known_address_sends_its_owner_an_email_without_a_code(
    app, client, make_user
):
    make_user(email=ADA)
    before = rows(app, User)

    client.register(ADA, "an attacker's long choice", name="Eve")

    mail = client.mailbox(to=ADA)[0]
    assert mail["template"] == "account_exists"
    assert mail["variables"].keys() == {"asked", "address", "device"}
    [decoy] = rows(app, OneTimeCode, purpose="register")
    assert (decoy.user_id, decoy.attempts, decoy.requester_attempts) == (None, 0, 0)
    assert [user.name for user in rows(app, User)] == [user.name for user in before] == [None]
    assert [e.user_id for e in audited(app, "registration.email_taken")] == [before[0].id]


def test_registration_is_no_account_before_verification(app, client):
    client.register(ADA, username="ada")

    pending = client.post("/auth/login", {"identifier": ADA, "password": PASSWORD})
    unknown = client.post(
        "/auth/login", {"identifier": "unknown@example.com", "password": PASSWORD}
    )

    assert rows(app, User) == []
    assert observable_parts(pending) == observable_parts(unknown)
    assert pending.json["code"] == "invalid_credentials"


def test_registration_reserves_no_username_before_verification(client):
    client.register("eve@example.com", username="ada")
    client.register(ADA, username="ada")

    assert client.verify(ADA).status_code == 200


def test_registration_email_shows_ip_address_and_device(app, client):
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

    form = {"email": ADA, "password": PASSWORD}
    client.post("/auth/register", form, headers={"User-Agent": agent})

    mail = read_mail(client, ADA)
    [event] = audited(app, "registration.requested")
    assert (mail["address"], mail["device"]) == ("127.0.0.1", "Firefox on Linux")
    assert (event.ip_address, event.user_agent) == ("127.0.0.1", agent)


def test_registration_profile_is_stored_in_the_account(app, client):
    profile = {"username": "Ada.L", "phone": "+49 151 12345678", "name": "Ada L", "locale": "de-AT"}
    client.register(ADA, **profile)
    client.verify(ADA)

    [user] = rows(app, User)

    assert (user.username, user.username_canonical) == ("Ada.L", "ada.l")
    assert (user.phone, user.phone_verified_at) == ("+4915112345678", None)
    assert (user.name, user.locale) == ("Ada L", "de-AT")


@pytest.mark.requirement("RG-07")
def test_registration_rejects_privileged_fields(app, client):
    responses = {name: client.register(ADA, **{name: value}) for name, value in PRIVILEGES.items()}

    for name, response in responses.items():
        assert (response.status_code, response.json["code"]) == (422, "validation_failed")
        [[error]] = response.json["errors"].values()
        assert (*response.json["errors"], error["code"]) == (name, "unknown_field")
    assert rows(app, User) + rows(app, OneTimeCode) + rows(app, OutboxMessage) == []


def test_registration_sent_twenty_times_in_parallel_gets_equal_responses_and_three_emails(
    app, client
):
    responses = client.in_parallel(20, "/auth/register", {"email": ADA, "password": PASSWORD})

    assert [observable_parts(response) for response in responses] == [
        observable_parts(responses[0])
    ] * 20
    assert responses[0].status_code == 202
    assert len({response.json["registration_token"] for response in responses}) == 20
    assert list_recipients(client) == [ADA] * 3
    form = {"email": ADA, "code": read_mail(client, ADA)["code"], "password": PASSWORD}
    assert client.post("/auth/email/verify", form).status_code == 200
    assert len(rows(app, User)) == 1


def test_registration_emails_are_limited_to_three_per_hour(app, client):
    responses = [client.register(ADA) for _ in range(4)]
    in_first_hour = len(list_recipients(client))
    with advance_clock(minutes=61):
        client.register(ADA)

    assert [observable_parts(response) for response in responses] == [
        observable_parts(responses[0])
    ] * 4
    assert in_first_hour == 3
    assert len(list_recipients(client)) == 4
    assert len(audited(app, "registration.mail_suppressed")) == 1


@pytest.mark.requirement("RL-02")
def test_registration_over_the_limit_of_a_stranger_gets_its_email(client):
    """A stranger's registrations use up the limit of the stranger's network only."""
    form = {"email": ADA, "password": "mallory chose this phrase"}
    for _ in range(4):
        client.post("/auth/register", form, environ_overrides={"REMOTE_ADDR": "203.0.113.9"})

    client.register(ADA)

    assert len(client.mailbox(to=ADA)) == 4
    assert client.verify(ADA).status_code == 200


@pytest.mark.requirement("RL-05")
def test_registration_emails_of_many_networks_have_a_total_limit(client):
    form = {"email": ADA, "password": PASSWORD}
    for network in range(20):
        sender = {"REMOTE_ADDR": f"203.0.{network}.9"}
        client.post("/auth/register", form, environ_overrides=sender)

    assert len(client.mailbox(to=ADA)) == 9


def test_registration_without_an_email_gets_one_when_it_is_requested_again(client, wait):
    for _ in range(3):
        client.register(ADA, "mallory chose this phrase")
    client.register(ADA)
    wait(minutes=61)

    client.post("/auth/email/resend", {"email": ADA})

    assert client.verify(ADA).status_code == 200


def test_registration_email_limit_counts_all_spellings_of_an_address(client):
    for spelling in ("Ada@example.com", "aDa@example.com", "adA@EXAMPLE.com", "ADA@example.com"):
        client.register(spelling)

    assert len(list_recipients(client)) == 3


def test_registration_email_limit_applies_to_addresses_with_an_account(client, make_user):
    make_user(email=ADA)
    for _ in range(4):
        client.register("ADA@example.com")

    assert len(client.mailbox(to=ADA)) == 3


def test_registration_rejects_a_taken_username_in_any_case(app, client, make_user):
    make_user(email=ADA, username="ada")

    for username in ("ada", "ADA"):
        response = client.register("bob@example.com", username=username)

        assert (response.status_code, response.json["code"]) == (409, "username_taken"), username
    assert rows(app, OneTimeCode) == []


def test_registration_reports_a_taken_username_alike_for_known_and_unknown_addresses(
    client, make_user
):
    make_user(email=ADA, username="ada")

    known = client.register(ADA, username="ada")
    unknown = client.register("bob@example.com", username="ada")

    assert observable_parts(known) == observable_parts(unknown)
