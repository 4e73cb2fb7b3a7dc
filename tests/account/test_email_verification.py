"""E-mail verification of a registration: once, by its code or link and what its applicant has."""

from functools import partial

import pytest
from sqlalchemy import update

from gatehouse.core.errors import ServiceBusy
from gatehouse.database.session import db
from models import OneTimeCode, User
from tests.client import PASSWORD, Client
from tests.mail_links import advance_clock, read_link_token, read_mail, token_of, wrong_code
from tests.mfa.passkey_sign_up import PasskeyApplicant
from tests.parallel import run_in_parallel
from tests.recording_hashers import record_hasher_calls
from tests.rows import audited, rows

pytestmark = pytest.mark.stores

ADA, BOB = "ada@example.com", "bob@example.com"
MALLORY_PASSWORD, ADA_PASSWORD = "mallory chose this phrase", "ada chose another phrase"


def by_code(client, email, code, password=PASSWORD):
    form = {"email": email, "code": code, "password": password}
    return client.post("/auth/email/verify", form)


def by_token(client, code, token, email=ADA):
    form = {"email": email, "code": code, "registration_token": token}
    return client.post("/auth/email/verify", form)


def register(client, password=PASSWORD, email=ADA):
    """Register; return the code and the registration token."""
    token = client.register(email, password).json["registration_token"]
    return read_mail(client, email)["code"], token


def by_link(client, token, password=PASSWORD):
    return client.post("/auth/email/verify", {"token": token, "password": password})


def log_in(client, identifier, password=PASSWORD):
    return client.post("/auth/login", {"identifier": identifier, "password": password})


def status_and_code(response):
    return response.status_code, response.json.get("code", response.json.get("status"))


VERIFIED = (200, "verified")
INVALID = (401, "invalid_code")
WRONG = (401, "invalid_credentials")


def test_verification_by_link_and_password_creates_the_account(app, client):
    client.register(ADA)

    response = by_link(client, read_link_token(client, ADA))

    assert status_and_code(response) == (200, "verified")
    assert [user.email for user in rows(app, User)] == [ADA]
    assert rows(app, OneTimeCode) == []
    assert log_in(client, ADA).status_code == 200


def test_verification_opens_no_session(client):
    client.register(ADA)

    response = client.verify(ADA)

    assert response.json == {"status": "verified"}
    assert "Set-Cookie" not in response.headers


def test_verification_activates_only_the_registration_of_its_code(app, client):
    client.register(ADA, MALLORY_PASSWORD, name="Mallory")
    client.register(ADA, ADA_PASSWORD, name="Ada")
    client.register(ADA, MALLORY_PASSWORD, name="Mallory")
    code = client.mailbox(to=ADA)[1]["variables"]["code"]

    assert status_and_code(by_code(client, ADA, code, ADA_PASSWORD)) == (200, "verified")

    assert [user.name for user in rows(app, User)] == ["Ada"]
    assert log_in(client, ADA, ADA_PASSWORD).status_code == 200
    assert status_and_code(log_in(client, ADA, MALLORY_PASSWORD)) == WRONG
    assert rows(app, OneTimeCode) == []


@pytest.mark.requirement("RG-01")
def test_verification_code_alone_verifies_nothing(app, client):
    """The owner of the mailbox may have received the code of an attacker in the same network."""
    code, token = register(client, MALLORY_PASSWORD)

    responses = [client.post("/auth/email/verify", {"email": ADA, "code": code}) for _ in range(8)]

    assert [status_and_code(response) for response in responses] == [(401, "token_missing")] * 8
    assert "registration_token" in responses[0].json["next"]
    assert rows(app, User) == []
    assert status_and_code(by_token(client, code, token)) == VERIFIED


@pytest.mark.requirement("RG-01")
def test_verification_code_works_with_the_registration_token_of_its_own_registration(app, client):
    hers, her_token = register(client, ADA_PASSWORD)
    attackers, attackers_token = register(client, MALLORY_PASSWORD)
    _, bobs_token = register(client, email=BOB)

    rejected = [
        by_token(client, attackers, her_token),  # the owner enters the code of the wrong e-mail
        by_token(client, hers, attackers_token),
        by_token(client, hers, bobs_token, BOB),
        by_token(client, hers, her_token, BOB),
        by_token(client, hers, "no token"),
    ]

    assert [status_and_code(response) for response in rejected] == [INVALID] * 5
    assert rows(app, User) == []
    assert status_and_code(by_token(client, hers, her_token)) == VERIFIED
    assert log_in(client, ADA, ADA_PASSWORD).status_code == 200


@pytest.mark.requirement("RG-01")
def test_passkey_sign_up_from_before_migration_0011_is_verified_with_its_own_token_only(
    app, client
):
    ada = PasskeyApplicant(client)
    ada.register()
    code = read_mail(client, ADA)["code"]
    _, attackers_token = register(client, MALLORY_PASSWORD)
    with app.app_context():
        db.session.execute(update(OneTimeCode).values(requester_digest=None))
        db.session.commit()

    assert status_and_code(by_token(client, code, attackers_token)) == INVALID
    assert status_and_code(by_token(client, code, ada.token)) == VERIFIED


@pytest.mark.requirement("RG-01")
def test_verification_code_needs_the_password_of_its_own_registration(client):
    code, _ = register(client, ADA_PASSWORD)

    wrong = by_code(client, ADA, code, password=MALLORY_PASSWORD)
    right = by_code(client, ADA, code, password=ADA_PASSWORD)

    assert (status_and_code(wrong), status_and_code(right)) == (WRONG, VERIFIED)
    assert log_in(client, ADA, ADA_PASSWORD).status_code == 200


@pytest.mark.requirement("RG-01")
def test_verification_of_a_registration_is_not_possible_with_a_session(app, client, make_user):
    code, _ = register(client, MALLORY_PASSWORD)
    bob = client.as_(client.log_in(make_user(email=BOB)))

    response = bob.post("/auth/email/verify", {"email": ADA, "code": code})

    assert status_and_code(response) == INVALID
    assert [user.email for user in rows(app, User)] == [BOB]


@pytest.mark.requirement("RL-02")
def test_verification_with_the_registration_token_survives_wrong_codes_of_strangers(client):
    code, token = register(client)
    stranger = {"REMOTE_ADDR": "203.0.113.9"}
    form = {"email": ADA, "code": wrong_code(code), "password": MALLORY_PASSWORD}
    statuses = [
        client.post("/auth/email/verify", form, environ_overrides=stranger).status_code
        for _ in range(30)
    ]

    assert statuses == [401] * 25 + [429] * 5
    assert status_and_code(by_code(client, ADA, code)) == INVALID  # the link works, or a new code
    assert status_and_code(by_token(client, code, token)) == VERIFIED


@pytest.mark.requirement("RL-07")
def test_verification_token_allows_five_attempts_and_the_same_for_known_addresses(
    client, make_user
):
    make_user(email=BOB)
    code, token = register(client)
    bobs_token = client.register(BOB).json["registration_token"]

    unknown = [by_token(client, wrong_code(code), token) for _ in range(40)]
    known = [by_token(client, wrong_code(code), bobs_token, BOB) for _ in range(40)]

    assert {status_and_code(response) for response in unknown + known} == {INVALID}
    assert status_and_code(by_token(client, code, token)) == INVALID
    assert status_and_code(by_code(client, ADA, code)) == VERIFIED  # counted apart


def test_verification_code_with_a_wrong_password_fails(app, client):
    client.register(ADA, ADA_PASSWORD)
    code = read_mail(client, ADA)["code"]

    attempts = [by_code(client, ADA, code, password=MALLORY_PASSWORD) for _ in range(5)]

    assert {status_and_code(response) for response in attempts} == {WRONG}
    assert status_and_code(by_code(client, ADA, code, password=ADA_PASSWORD)) == INVALID
    assert rows(app, User) == []


def test_verification_code_attempt_is_not_counted_while_hashing_is_busy(client, monkeypatch):
    client.register(ADA, ADA_PASSWORD)
    code = read_mail(client, ADA)["code"]
    calls = record_hasher_calls(monkeypatch)

    def fail():
        raise ServiceBusy

    for _ in range(6):
        calls.during_verify = fail
        assert by_code(client, ADA, code, password=ADA_PASSWORD).status_code == 503

    assert status_and_code(by_code(client, ADA, code, password=ADA_PASSWORD)) == (200, "verified")


def test_verification_keeps_registrations_of_other_addresses(app, client):
    client.register(ADA)
    client.register(BOB)

    client.verify(ADA)

    assert client.verify(BOB).status_code == 200
    assert len(rows(app, User)) == 2


def test_verification_link_needs_the_password_of_its_registration(app, client):
    client.register(ADA, MALLORY_PASSWORD)
    token = read_link_token(client, ADA)

    response = by_link(client, token, ADA_PASSWORD)

    assert status_and_code(response) == WRONG
    assert rows(app, User) == []
    assert [event.details for event in audited(app, "registration.verification_failed")] == [
        {"code": "invalid_credentials"}
    ]


def test_verification_after_the_account_exists_fails_and_changes_nothing(app, client):
    client.register(ADA, MALLORY_PASSWORD)
    mail = read_mail(client, ADA)
    client.register(ADA, ADA_PASSWORD)
    client.verify(ADA)

    late = [
        by_code(client, ADA, mail["code"], MALLORY_PASSWORD),
        by_link(client, token_of(mail["link"]), MALLORY_PASSWORD),
    ]

    assert [status_and_code(response) for response in late] == [INVALID, INVALID]
    assert log_in(client, ADA, ADA_PASSWORD).status_code == 200
    assert status_and_code(log_in(client, ADA, MALLORY_PASSWORD)) == WRONG


@pytest.mark.requirement("RG-01")
def test_verification_code_works_only_for_its_own_address(app, client):
    client.register(ADA)
    client.register(BOB)
    code = read_mail(client, ADA)["code"]

    response = by_code(client, BOB, code)

    assert status_and_code(response) == INVALID
    assert rows(app, User) == []


@pytest.mark.requirement("RG-01")
def test_verification_link_is_not_accepted_as_an_invitation(app, client):
    client.register(ADA)

    form = {"token": read_link_token(client, ADA), "password": PASSWORD}

    assert status_and_code(client.post("/auth/invitation", form)) == INVALID
    assert rows(app, User) == []


@pytest.mark.parametrize(("hours", "expected"), [(23, (200, "verified")), (25, INVALID)])
@pytest.mark.parametrize("way", ["code", "link"])
def test_verification_code_and_link_expire_after_a_day(app, client, way, hours, expected):
    client.register(ADA)
    mail = read_mail(client, ADA)

    with advance_clock(hours=hours):
        if way == "code":
            response = by_code(client, ADA, mail["code"])
        else:
            response = by_link(client, token_of(mail["link"]))

    assert status_and_code(response) == expected
    assert len(rows(app, User)) == (expected != INVALID)


def test_verification_code_and_link_work_once(app, client):
    client.register(ADA)
    mail = read_mail(client, ADA)
    client.verify(ADA)

    again = [by_code(client, ADA, mail["code"]), by_link(client, token_of(mail["link"]))]

    assert [status_and_code(response) for response in again] == [INVALID, INVALID]
    assert len(rows(app, User)) == 1
    assert len(audited(app, "registration.verification_failed")) == 2


def test_verification_code_attempt_stays_counted_when_the_request_fails(app, client):
    client.register(ADA)
    client.register(BOB)

    response = by_code(client, ADA, wrong_code(read_mail(client, ADA)["code"]))

    assert status_and_code(response) == INVALID
    assert [row.attempts for row in rows(app, OneTimeCode)] == [1, 0]


def test_verification_code_is_void_after_five_wrong_attempts_and_the_link_is_not(app, client):
    client.register(ADA)
    right = read_mail(client, ADA)["code"]

    attempts = [by_code(client, ADA, wrong_code(right)) for _ in range(5)]
    sixth = by_code(client, ADA, right)

    assert {status_and_code(response) for response in [*attempts, sixth]} == {INVALID}
    assert by_link(client, read_link_token(client, ADA)).status_code == 200


def test_verification_code_is_accepted_at_the_fifth_attempt(client):
    client.register(ADA)
    right = read_mail(client, ADA)["code"]
    for _ in range(4):
        by_code(client, ADA, wrong_code(right))

    assert by_code(client, ADA, right).status_code == 200


def test_verification_link_is_void_after_twenty_wrong_passwords(client):
    client.register(ADA)
    token = read_link_token(client, ADA)

    attempts = {status_and_code(by_link(client, token, MALLORY_PASSWORD)) for _ in range(20)}

    assert attempts == {WRONG}
    assert status_and_code(by_link(client, token, PASSWORD)) == INVALID


def test_verification_code_allows_five_attempts_of_twenty_in_parallel(app, client):
    client.register(ADA)
    right = read_mail(client, ADA)["code"]

    form = {"email": ADA, "code": wrong_code(right), "password": PASSWORD}
    responses = client.in_parallel(20, "/auth/email/verify", form)

    assert {status_and_code(response) for response in responses} == {INVALID}
    assert [row.attempts for row in rows(app, OneTimeCode)] == [5]
    assert status_and_code(by_code(client, ADA, right)) == INVALID


def test_verification_sent_twenty_times_in_parallel_creates_one_account(app, client):
    client.register(ADA)
    form = {"email": ADA, "code": read_mail(client, ADA)["code"], "password": PASSWORD}

    responses = client.in_parallel(20, "/auth/email/verify", form)

    assert sorted(response.status_code for response in responses) == [200] + [401] * 19
    assert len(rows(app, User)) == len(audited(app, "registration.verified")) == 1


def test_verification_reports_a_username_that_was_taken_meanwhile(app, client):
    client.register(ADA, username="ada")
    client.register(BOB, username="ADA")

    first, second = client.verify(BOB), client.verify(ADA)

    assert (status_and_code(first), status_and_code(second)) == (
        (200, "verified"),
        (409, "username_taken"),
    )
    assert [user.email for user in rows(app, User)] == [BOB]


def test_verification_works_after_registering_again_with_another_username(client):
    client.register(ADA, username="ada")
    client.register(BOB, username="ada")
    client.verify(BOB)
    client.verify(ADA)

    client.register(ADA, username="ada2")

    assert client.verify(ADA).status_code == 200
    assert log_in(client, "ada2").status_code == 200


@pytest.mark.stores
def test_verification_of_several_registrations_in_parallel_creates_one_account(app, client):
    passwords = (MALLORY_PASSWORD, ADA_PASSWORD, PASSWORD)
    codes = [register(client, password) for password in passwords]

    responses = run_in_parallel(
        *(partial(by_token, Client(app.test_client), code, token) for code, token in codes)
    )

    assert sorted(response.status_code for response in responses) == [200, 401, 401]
    assert len(rows(app, User)) == 1
