"""A phone number: proved by a texted code, one owner, and its changes are told."""

from functools import partial

import pytest

from models import User
from tests.account.conftest import (
    ADA,
    NUMBER,
    OTHER_NUMBER,
    forgot,
    mails,
    prove_phone,
    reset,
    templates,
    told,
)
from tests.client import Client
from tests.letters import later, other_code
from tests.rows import audited, rows
from tests.together import at_once

INVALID = (401, "invalid_code")


@pytest.fixture
def tokens(client, ada):
    return client.log_in(ada)


def code_for(client, tokens, number=NUMBER):
    client.as_(tokens).post("/auth/phone", {"phone": number})
    return mails(client, number, "sms_phone")[0]["code"]


def verify(client, tokens, code, number=NUMBER):
    return client.as_(tokens).post("/auth/phone/verify", {"phone": number, "code": code})


@pytest.mark.requirement("RG-09")
@pytest.mark.stores
def test_a_texted_code_of_six_digits_proves_a_number(app, client, tokens):
    code = code_for(client, tokens)
    unused = rows(app, User)[0].phone

    answer = verify(client, tokens, code, "+49 151 12345678")

    assert len(code) == 6
    assert unused is None
    assert told(answer) == (200, "verified")
    assert client.as_(tokens).get("/auth/me").json["phone_verified"] is True


@pytest.mark.parametrize(("minutes", "expected"), [(9, 200), (11, 401)])
def test_a_texted_code_works_for_ten_minutes(client, ada, minutes, expected):
    code = code_for(client, client.log_in(ada))

    with later(minutes=minutes):
        answer = verify(client, client.log_in(ada), code)

    assert answer.status_code == expected


@pytest.mark.requirement("MF-07")
def test_a_code_proves_only_the_number_it_was_texted_to_and_once(app, client, tokens):
    code = code_for(client, tokens)

    answers = [
        verify(client, tokens, code, OTHER_NUMBER),
        verify(client, tokens, other_code(code)),
        verify(client, tokens, code),
        verify(client, tokens, code),
    ]

    assert [told(answer) for answer in answers] == [INVALID, INVALID, (200, "verified"), INVALID]
    assert [user.phone for user in rows(app, User)] == [NUMBER]


@pytest.mark.requirement("RG-01")
def test_somebody_elses_code_proves_nothing(client, tokens, make_user):
    code = code_for(client, tokens)
    bobs = client.log_in(make_user())

    assert told(verify(client, bobs, code)) == INVALID


@pytest.mark.requirement("MF-06")
@pytest.mark.stores
def test_asking_anew_gives_no_further_guesses(client, tokens, ada, wait):
    answers = []
    for _ in range(6):
        code = code_for(client, tokens)
        answers += [told(verify(client, tokens, other_code(code))) for _ in range(5)]
        wait(minutes=21)
        tokens = client.log_in(ada)

    assert answers == [INVALID] * 25 + [(429, "too_many_attempts")] * 5


@pytest.mark.requirement("RL-07")
@pytest.mark.stores
def test_a_number_that_somebody_proved_gets_the_same_answer_and_no_text(
    app, client, tokens, make_user
):
    prove_phone(client, client.log_in(make_user()))
    before = client.mailbox(to=NUMBER)

    taken = client.as_(tokens).post("/auth/phone", {"phone": NUMBER})
    free = client.as_(tokens).post("/auth/phone", {"phone": OTHER_NUMBER})

    assert told(taken) == told(free) == (202, "sent")
    assert client.mailbox(to=NUMBER) == before
    assert len(audited(app, "phone.taken")) == 1


@pytest.mark.stores
def test_of_two_who_prove_a_number_at_once_one_has_it(app, client, tokens, make_user):
    bobs = client.log_in(make_user())
    codes = [code_for(client, who) for who in (tokens, bobs)]
    doors = [Client(app.test_client) for _ in range(2)]

    answers = at_once(
        partial(verify, doors[0], tokens, codes[0]), partial(verify, doors[1], bobs, codes[1])
    )

    assert sorted(told(answer) for answer in answers) == [(200, "verified"), INVALID]
    assert [user.phone for user in rows(app, User) if user.phone_verified_at] == [NUMBER]


@pytest.mark.requirement("RG-05")
def test_the_mail_address_and_the_old_number_are_told(client, tokens):
    prove_phone(client, tokens)

    prove_phone(client, tokens, OTHER_NUMBER)

    assert mails(client, ADA, "notice_phone_changed")[0]["number"] == OTHER_NUMBER
    assert templates(client, NUMBER) == ["sms_phone", "sms_notice"]
    assert templates(client, OTHER_NUMBER) == ["sms_phone"]


def test_a_reset_that_was_texted_to_the_old_number_dies_with_it(client, tokens):
    prove_phone(client, tokens)
    forgot(client, phone=NUMBER)
    code = mails(client, NUMBER, "sms_reset")[0]["code"]

    prove_phone(client, tokens, OTHER_NUMBER)

    assert told(reset(client, phone=NUMBER, code=code)) == INVALID


@pytest.mark.requirement("RG-05")
def test_a_number_can_be_taken_away(app, client, tokens):
    prove_phone(client, tokens)

    answer = client.as_(tokens).delete("/auth/phone")

    assert (answer.status_code, answer.data) == (204, b"")
    assert rows(app, User)[0].phone is None
    assert templates(client, NUMBER)[-1] == "sms_notice"
    assert templates(client, ADA)[-1] == "notice_phone_changed"


def test_a_number_gets_three_codes_an_hour_and_the_last_stays_good(client, tokens):
    code = [code_for(client, tokens) for _ in range(3)][-1]

    assert [code_for(client, tokens) for _ in range(3)] == [code] * 3
    assert verify(client, tokens, code).status_code == 200
