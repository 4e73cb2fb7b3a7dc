"""Proving a registration: by exactly its own code, or by its link and its own password, once."""

from functools import partial

import pytest

from gatehouse.core.errors import ServiceBusy
from models import Challenge, User
from tests.client import PASSWORD, Client
from tests.letters import later, letter, link_token, other_code, token_of
from tests.rows import audited, rows
from tests.together import at_once
from tests.watched import watch

pytestmark = pytest.mark.stores

ADA, BOB = "ada@example.com", "bob@example.com"
HERE, ELSEWHERE = "127.0.0.1", "198.51.100.1"
HIS, HERS = "mallory chose this phrase", "ada chose another phrase"


def by_code(client, email, code, **more):
    sender = {"REMOTE_ADDR": more.pop("address", HERE)}
    form = {"email": email, "code": code, **more}
    return client.post("/auth/email/verify", form, environ_overrides=sender)


def by_link(client, token, password=PASSWORD):
    return client.post("/auth/email/verify", {"token": token, "password": password})


def log_in(client, identifier, password=PASSWORD):
    return client.post("/auth/login", {"identifier": identifier, "password": password})


def told(answer):
    return answer.status_code, answer.json.get("code", answer.json.get("status"))


INVALID = (401, "invalid_code")
WRONG = (401, "invalid_credentials")


def test_the_link_and_the_password_turn_a_registration_into_an_account(app, client):
    client.register(ADA)

    answer = by_link(client, link_token(client, ADA))

    assert told(answer) == (200, "verified")
    assert [user.email for user in rows(app, User)] == [ADA]
    assert rows(app, Challenge) == []
    assert log_in(client, ADA).status_code == 200


def test_proving_an_address_logs_nobody_in(client):
    client.register(ADA)

    answer = client.verify(ADA)

    assert answer.json == {"status": "verified"}
    assert "Set-Cookie" not in answer.headers


def test_nobody_can_prepare_an_account_for_somebody_else(app, client):
    client.register(ADA, HIS, name="Mallory")
    client.register(ADA, HERS, name="Ada")
    client.register(ADA, HIS, name="Mallory")
    hers = client.mailbox(to=ADA)[1]["variables"]["code"]

    assert told(by_code(client, ADA, hers)) == (200, "verified")

    assert [user.name for user in rows(app, User)] == ["Ada"]
    assert log_in(client, ADA, HERS).status_code == 200
    assert told(log_in(client, ADA, HIS)) == WRONG
    assert rows(app, Challenge) == []


@pytest.mark.requirement("RG-01")
def test_the_owner_who_types_the_code_of_a_strangers_mail_opens_nothing_of_theirs(app, client):
    client.register(ADA, HIS)
    his = letter(client, ADA)["code"]

    answers = [by_code(client, ADA, his, address=ELSEWHERE) for _ in range(8)]

    assert [told(answer) for answer in answers] == [INVALID] * 8
    assert "send the password along" in answers[0].json["next"].lower()
    assert rows(app, User) == []
    assert told(by_code(client, ADA, his, address="127.0.0.99")) == (200, "verified")


@pytest.mark.requirement("RG-01")
def test_a_code_typed_elsewhere_than_one_registered_wants_the_password(app, client):
    client.register(ADA, HERS)
    hers = letter(client, ADA)["code"]

    wrong = by_code(client, ADA, hers, address=ELSEWHERE, password=HIS)
    right = by_code(client, ADA, hers, address=ELSEWHERE, password=HERS)

    assert (told(wrong), told(right)) == (WRONG, (200, "verified"))
    assert log_in(client, ADA, HERS).status_code == 200


def test_a_password_that_comes_along_must_be_right_where_one_registered_too(app, client):
    client.register(ADA, HERS)
    hers = letter(client, ADA)["code"]

    guesses = [by_code(client, ADA, hers, password=HIS) for _ in range(5)]

    assert {told(answer) for answer in guesses} == {WRONG}
    assert told(by_code(client, ADA, hers, password=HERS)) == INVALID
    assert rows(app, User) == []


def test_a_password_that_nobody_could_evaluate_costs_no_guess_of_the_code(client, monkeypatch):
    client.register(ADA, HERS)
    hers = letter(client, ADA)["code"]
    notes = watch(monkeypatch)

    for _ in range(6):
        notes.meanwhile = refuse
        assert by_code(client, ADA, hers, password=HERS).status_code == 503

    assert told(by_code(client, ADA, hers, password=HERS)) == (200, "verified")


def refuse():
    raise ServiceBusy


def test_a_proof_leaves_the_registrations_of_other_addresses_alone(app, client):
    client.register(ADA)
    client.register(BOB)

    client.verify(ADA)

    assert client.verify(BOB).status_code == 200
    assert len(rows(app, User)) == 2


def test_the_link_of_somebody_elses_registration_wants_his_password(app, client):
    client.register(ADA, HIS)
    his_link = link_token(client, ADA)

    answer = by_link(client, his_link, HERS)

    assert told(answer) == WRONG
    assert rows(app, User) == []
    assert [event.details for event in audited(app, "registration.proof_failed")] == [
        {"code": "invalid_credentials"}
    ]


def test_a_late_proof_never_touches_the_account_that_exists(app, client):
    client.register(ADA, HIS)
    his = letter(client, ADA)
    client.register(ADA, HERS)
    client.verify(ADA)

    late = [by_code(client, ADA, his["code"]), by_link(client, token_of(his["link"]), HIS)]

    assert [told(answer) for answer in late] == [INVALID, INVALID]
    assert log_in(client, ADA, HERS).status_code == 200
    assert told(log_in(client, ADA, HIS)) == WRONG


@pytest.mark.requirement("RG-01")
def test_the_code_of_one_address_proves_no_other(app, client):
    client.register(ADA)
    client.register(BOB)
    adas = letter(client, ADA)["code"]

    answer = by_code(client, BOB, adas)

    assert told(answer) == INVALID
    assert rows(app, User) == []


@pytest.mark.requirement("RG-01")
def test_a_registration_cannot_be_proved_as_an_invitation(app, client):
    client.register(ADA)

    form = {"token": link_token(client, ADA), "password": PASSWORD}

    assert told(client.post("/auth/invitation", form)) == INVALID
    assert rows(app, User) == []


@pytest.mark.parametrize(("hours", "expected"), [(23, (200, "verified")), (25, INVALID)])
@pytest.mark.parametrize("way", ["code", "link"])
def test_a_registration_can_be_proved_for_a_day(app, client, way, hours, expected):
    client.register(ADA)
    mail = letter(client, ADA)

    with later(hours=hours):
        if way == "code":
            answer = by_code(client, ADA, mail["code"])
        else:
            answer = by_link(client, token_of(mail["link"]))

    assert told(answer) == expected
    assert len(rows(app, User)) == (expected != INVALID)


def test_code_and_link_work_once(app, client):
    client.register(ADA)
    mail = letter(client, ADA)
    client.verify(ADA)

    again = [by_code(client, ADA, mail["code"]), by_link(client, token_of(mail["link"]))]

    assert [told(answer) for answer in again] == [INVALID, INVALID]
    assert len(rows(app, User)) == 1
    assert len(audited(app, "registration.proof_failed")) == 2


def test_a_wrong_guess_is_counted_though_its_request_fails(app, client):
    client.register(ADA)
    client.register(BOB)

    answer = by_code(client, ADA, other_code(letter(client, ADA)["code"]))

    assert told(answer) == INVALID
    assert [row.attempts for row in rows(app, Challenge)] == [1, 0]


def test_five_wrong_codes_exhaust_the_code_and_not_the_link(app, client):
    client.register(ADA)
    right = letter(client, ADA)["code"]

    guesses = [by_code(client, ADA, other_code(right)) for _ in range(5)]
    sixth = by_code(client, ADA, right)

    assert {told(answer) for answer in [*guesses, sixth]} == {INVALID}
    assert by_link(client, link_token(client, ADA)).status_code == 200


def test_the_fifth_guess_may_still_be_right(client):
    client.register(ADA)
    right = letter(client, ADA)["code"]
    for _ in range(4):
        by_code(client, ADA, other_code(right))

    assert by_code(client, ADA, right).status_code == 200


def test_twenty_wrong_passwords_exhaust_a_link(client):
    client.register(ADA)
    token = link_token(client, ADA)

    guesses = {told(by_link(client, token, HIS)) for _ in range(20)}

    assert guesses == {WRONG}
    assert told(by_link(client, token, PASSWORD)) == INVALID


def test_guesses_made_at_once_are_no_more_than_five(app, client):
    client.register(ADA)
    right = letter(client, ADA)["code"]

    form = {"email": ADA, "code": other_code(right)}
    answers = client.in_parallel(20, "/auth/email/verify", form)

    assert {told(answer) for answer in answers} == {INVALID}
    assert [row.attempts for row in rows(app, Challenge)] == [5]
    assert told(by_code(client, ADA, right)) == INVALID


def test_twenty_proofs_at_once_make_one_account(app, client):
    client.register(ADA)
    form = {"email": ADA, "code": letter(client, ADA)["code"]}

    answers = client.in_parallel(20, "/auth/email/verify", form)

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    assert len(rows(app, User)) == len(audited(app, "registration.verified")) == 1


def test_a_username_taken_meanwhile_is_told_to_who_proves_second(app, client):
    client.register(ADA, username="ada")
    client.register(BOB, username="ADA")

    first, second = client.verify(BOB), client.verify(ADA)

    assert (told(first), told(second)) == ((200, "verified"), (409, "username_taken"))
    assert [user.email for user in rows(app, User)] == [BOB]


def test_who_lost_a_username_registers_again_with_another(client):
    client.register(ADA, username="ada")
    client.register(BOB, username="ada")
    client.verify(BOB)
    client.verify(ADA)

    client.register(ADA, username="ada2")

    assert client.verify(ADA).status_code == 200
    assert log_in(client, "ada2").status_code == 200


@pytest.mark.stores
def test_registrations_of_one_address_proved_at_once_make_one_account(app, client):
    for password in (HIS, HERS, PASSWORD):
        client.register(ADA, password)
    codes = [mail["variables"]["code"] for mail in client.mailbox(to=ADA)]

    answers = at_once(*(partial(by_code, Client(app.test_client), ADA, code) for code in codes))

    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]
    assert len(rows(app, User)) == 1
