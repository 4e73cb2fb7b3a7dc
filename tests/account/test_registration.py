"""Asking for an account: one answer for everybody, a mail that tells, and nothing else."""

import pytest

from models import Challenge, OutboxMessage, User
from tests.client import PASSWORD
from tests.letters import later, letter
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


def shown(answer):
    """Return all that a stranger can compare: status, body and headers, but for id and date."""
    headers = {
        name: value for name, value in answer.headers if name not in ("X-Request-Id", "Date")
    }
    body = {name: value for name, value in answer.json.items() if name != "request_id"}
    return answer.status_code, body, headers


def recipients(client):
    return [mail["to"] for mail in client.mailbox()]


def test_the_mailed_code_turns_a_registration_into_an_account(app, client):
    client.register(ADA)

    assert client.verify(ADA).json == {"status": "verified"}

    [user] = rows(app, User)
    assert (user.email, user.email_verified_at is None) == (ADA, False)
    assert rows(app, Challenge) == []
    assert [event.user_id for event in audited(app, "registration.verified")] == [user.id]
    assert client.post("/auth/login", {"identifier": ADA, "password": PASSWORD}).status_code == 200


def test_known_and_unknown_addresses_get_the_same_answer(client, make_user):
    make_user(email=ADA)

    known, unknown = client.register(ADA), client.register("bob@example.com")

    assert shown(known) == shown(unknown)
    assert known.status_code == 202
    assert known.json == {"status": "verification_required"}


def test_the_owner_of_a_known_address_gets_another_mail_with_nothing_to_activate(
    app, client, make_user
):
    make_user(email=ADA)
    before = rows(app, User)

    client.register(ADA, "a stranger's long choice", name="Eve")

    mail = client.mailbox(to=ADA)[0]
    assert mail["template"] == "account_exists"
    assert mail["variables"].keys() == {"asked", "address", "device"}
    assert rows(app, Challenge, purpose="register") == []
    assert [user.name for user in rows(app, User)] == [user.name for user in before] == [None]
    assert [e.user_id for e in audited(app, "registration.address_known")] == [before[0].id]


def test_an_unproven_registration_is_no_account(app, client):
    client.register(ADA, username="ada")

    refused = client.post("/auth/login", {"identifier": ADA, "password": PASSWORD})
    unknown = client.post("/auth/login", {"identifier": "nobody@example.com", "password": PASSWORD})

    assert rows(app, User) == []
    assert shown(refused) == shown(unknown)
    assert refused.json["code"] == "invalid_credentials"


def test_an_unproven_registration_holds_no_username_back(client):
    client.register("eve@example.com", username="ada")
    client.register(ADA, username="ada")

    assert client.verify(ADA).status_code == 200


def test_a_registration_tells_who_asked_and_from_where(app, client):
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

    form = {"email": ADA, "password": PASSWORD}
    client.post("/auth/register", form, headers={"User-Agent": agent})

    mail = letter(client, ADA)
    [event] = audited(app, "registration.requested")
    assert (mail["address"], mail["device"]) == ("127.0.0.1", "Firefox on Linux")
    assert (event.address, event.user_agent) == ("127.0.0.1", agent)


def test_the_profile_given_with_a_registration_lands_in_the_account(app, client):
    profile = {"username": "Ada.L", "phone": "+49 151 12345678", "name": "Ada L", "locale": "de-AT"}
    client.register(ADA, **profile)
    client.verify(ADA)

    [user] = rows(app, User)

    assert (user.username, user.username_canonical) == ("Ada.L", "ada.l")
    assert (user.phone, user.phone_verified_at) == ("+4915112345678", None)
    assert (user.name, user.locale) == ("Ada L", "de-AT")


@pytest.mark.requirement("RG-07")
def test_nobody_registers_a_field_that_is_not_theirs_to_set(app, client):
    answers = {name: client.register(ADA, **{name: value}) for name, value in PRIVILEGES.items()}

    unknown = [{"code": "unknown_field", "message": "Unknown field."}]
    for name, answer in answers.items():
        assert (answer.status_code, answer.json["code"]) == (422, "validation_failed")
        assert answer.json["errors"] == {name: unknown}
    assert rows(app, User) + rows(app, Challenge) + rows(app, OutboxMessage) == []


def test_twenty_registrations_at_once_get_equal_answers_and_three_mails_at_most(app, client):
    answers = client.in_parallel(20, "/auth/register", {"email": ADA, "password": PASSWORD})

    assert [shown(answer) for answer in answers] == [shown(answers[0])] * 20
    assert answers[0].status_code == 202
    assert recipients(client) == [ADA] * 3
    assert client.verify(ADA).status_code == 200
    assert len(rows(app, User)) == 1


def test_the_fourth_mail_to_an_address_waits_for_the_next_hour(app, client):
    answers = [client.register(ADA) for _ in range(4)]
    in_the_first_hour = len(recipients(client))
    with later(minutes=61):
        client.register(ADA)

    assert [shown(answer) for answer in answers] == [shown(answers[0])] * 4
    assert in_the_first_hour == 3
    assert len(recipients(client)) == 4
    assert len(audited(app, "registration.mail_withheld")) == 1


def test_the_mails_to_one_person_are_counted_over_all_spellings_of_the_address(client):
    for spelling in ("Ada@example.com", "aDa@example.com", "adA@EXAMPLE.com", "ADA@example.com"):
        client.register(spelling)

    assert len(recipients(client)) == 3


def test_the_owner_of_an_account_gets_no_more_than_three_mails_an_hour_either(client, make_user):
    make_user(email=ADA)
    for _ in range(4):
        client.register("ADA@example.com")

    assert len(client.mailbox(to=ADA)) == 3


@pytest.mark.parametrize("username", ["ada", "ADA"])
def test_a_username_that_somebody_has_is_refused_in_any_case(app, client, make_user, username):
    make_user(email=ADA, username="ada")

    answer = client.register("bob@example.com", username=username)

    assert (answer.status_code, answer.json["code"]) == (409, "username_taken")
    assert rows(app, Challenge) == []


def test_a_taken_username_is_told_alike_for_known_and_unknown_addresses(client, make_user):
    make_user(email=ADA, username="ada")

    known = client.register(ADA, username="ada")
    unknown = client.register("bob@example.com", username="ada")

    assert shown(known) == shown(unknown)
