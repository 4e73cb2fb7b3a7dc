"""Phone numbers: verified by SMS code, one verified owner, and changes are notified."""

from functools import partial

import pytest

from models import User
from tests.account.conftest import (
    ADA,
    NUMBER,
    OTHER_NUMBER,
    list_templates,
    read_messages,
    request_reset,
    reset_password,
    status_and_code,
    verify_phone,
)
from tests.client import Client
from tests.mail_links import advance_clock, wrong_code
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

INVALID = (401, "invalid_code")


@pytest.fixture
def tokens(client, ada):
    return client.log_in(ada)


def request_code(client, tokens, number=NUMBER):
    client.as_(tokens).post("/auth/phone", {"phone": number})
    return read_messages(client, number, "sms_phone")[0]["code"]


def verify(client, tokens, code, number=NUMBER):
    return client.as_(tokens).post("/auth/phone/verify", {"phone": number, "code": code})


@pytest.mark.stores
def test_phone_number_is_verified_with_a_code_of_six_digits(app, client, tokens):
    code = request_code(client, tokens)
    before = rows(app, User)[0].phone

    response = verify(client, tokens, code, "+49 151 12345678")

    assert len(code) == 6
    assert before is None
    assert status_and_code(response) == (200, "verified")
    assert client.as_(tokens).get("/auth/me").json["phone_verified"] is True


@pytest.mark.parametrize(("minutes", "expected"), [(9, 200), (11, 401)])
def test_phone_code_expires_after_ten_minutes(client, ada, minutes, expected):
    code = request_code(client, client.log_in(ada))

    with advance_clock(minutes=minutes):
        response = verify(client, client.log_in(ada), code)

    assert response.status_code == expected


@pytest.mark.requirement("MF-07")
def test_phone_code_works_once_and_only_for_its_own_number(app, client, tokens):
    code = request_code(client, tokens)

    responses = [
        verify(client, tokens, code, OTHER_NUMBER),
        verify(client, tokens, wrong_code(code)),
        verify(client, tokens, code),
        verify(client, tokens, code),
    ]

    assert [status_and_code(response) for response in responses] == [
        INVALID,
        INVALID,
        (200, "verified"),
        INVALID,
    ]
    assert [user.phone for user in rows(app, User)] == [NUMBER]


@pytest.mark.requirement("RG-01")
def test_phone_code_of_another_user_fails(client, tokens, make_user):
    code = request_code(client, tokens)
    bobs = client.log_in(make_user())

    assert status_and_code(verify(client, bobs, code)) == INVALID


@pytest.mark.requirement("MF-06")
@pytest.mark.stores
def test_phone_code_attempts_are_not_reset_by_a_new_code(client, tokens, ada, wait):
    responses = []
    for _ in range(6):
        code = request_code(client, tokens)
        responses += [status_and_code(verify(client, tokens, wrong_code(code))) for _ in range(5)]
        wait(minutes=21)
        tokens = client.log_in(ada)

    assert responses == [INVALID] * 25 + [(429, "too_many_attempts")] * 5


@pytest.mark.requirement("RL-07")
@pytest.mark.stores
def test_phone_number_of_another_user_gets_the_same_response_and_no_sms(
    app, client, tokens, make_user
):
    verify_phone(client, client.log_in(make_user()))
    before = client.mailbox(to=NUMBER)

    taken = client.as_(tokens).post("/auth/phone", {"phone": NUMBER})
    free = client.as_(tokens).post("/auth/phone", {"phone": OTHER_NUMBER})

    assert status_and_code(taken) == status_and_code(free) == (202, "sent")
    assert client.mailbox(to=NUMBER) == before
    assert len(audited(app, "phone.taken")) == 1


@pytest.mark.stores
def test_phone_number_verified_by_two_users_in_parallel_belongs_to_one(
    app, client, tokens, make_user
):
    bobs = client.log_in(make_user())
    codes = [request_code(client, owner) for owner in (tokens, bobs)]
    clients = [Client(app.test_client) for _ in range(2)]

    responses = run_in_parallel(
        partial(verify, clients[0], tokens, codes[0]), partial(verify, clients[1], bobs, codes[1])
    )

    assert sorted(status_and_code(response) for response in responses) == [
        (200, "verified"),
        (409, "phone_taken"),
    ]
    assert [user.phone for user in rows(app, User) if user.phone_verified_at] == [NUMBER]


def test_phone_number_verified_by_another_user_meanwhile_is_reported_for_the_right_code_only(
    app, client, tokens, make_user
):
    code = request_code(client, tokens)
    verify_phone(client, client.log_in(make_user()))

    wrong, right = (verify(client, tokens, typed) for typed in (wrong_code(code), code))

    assert status_and_code(wrong) == INVALID
    assert status_and_code(right) == (409, "phone_taken")
    assert "sign in to the account that has this one" in right.json["next"]
    assert len(audited(app, "phone.taken")) == 1


@pytest.mark.requirement("RG-05")
def test_phone_change_notifies_the_email_address_and_the_old_number(client, tokens):
    verify_phone(client, tokens)

    verify_phone(client, tokens, OTHER_NUMBER)

    assert read_messages(client, ADA, "notice_phone_changed")[0]["number"] == OTHER_NUMBER
    assert list_templates(client, NUMBER) == ["sms_phone", "sms_notice"]
    assert list_templates(client, OTHER_NUMBER) == ["sms_phone"]


def test_phone_change_voids_a_pending_password_reset(client, tokens):
    verify_phone(client, tokens)
    request_reset(client, phone=NUMBER)
    code = read_messages(client, NUMBER, "sms_reset")[0]["code"]

    verify_phone(client, tokens, OTHER_NUMBER)

    assert status_and_code(reset_password(client, phone=NUMBER, code=code)) == INVALID


@pytest.mark.requirement("RG-05")
def test_phone_number_can_be_removed(app, client, tokens):
    verify_phone(client, tokens)

    response = client.as_(tokens).delete("/auth/phone")

    assert (response.status_code, response.data) == (204, b"")
    assert rows(app, User)[0].phone is None
    assert list_templates(client, NUMBER)[-1] == "sms_notice"
    assert list_templates(client, ADA)[-1] == "notice_phone_changed"


def test_phone_codes_are_limited_to_three_per_hour_and_the_last_stays_valid(client, tokens):
    code = [request_code(client, tokens) for _ in range(3)][-1]

    assert [request_code(client, tokens) for _ in range(3)] == [code] * 3
    assert verify(client, tokens, code).status_code == 200
