"""MFA recovery: a sent code and a second method schedule the reset of all second factors."""

import re
from datetime import datetime, timedelta
from functools import partial

import pytest

from gatehouse.core import clock
from models import Credential, Session
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    NUMBER,
    OTHER_NUMBER,
    change_email,
    read_messages,
    status_and_code,
    verify_phone,
)
from tests.client import PASSWORD, User
from tests.mail_links import token_of, wrong_code
from tests.mfa.recovery import (
    REQUEST,
    VERIFY,
    count_pending_resets,
    newest_code,
    recover,
    request_recovery,
    run_cleanup,
    verify_recovery,
)
from tests.rows import audited, rows
from tests.statements import statements_of

WRONG = (401, "invalid_code")


@pytest.fixture
def ada(client, make_user):
    """A user with TOTP, whose e-mail address is not new."""
    user = make_user(email=ADA, factors=["totp"])
    user.tokens = client.renew(user.tokens)  # now with the second factor
    return user


def verify_phone_long_ago(client, user, wait):
    """Verify a phone number, and let four days pass, so that it can be used for recovery."""
    assert verify_phone(client, user.tokens).status_code == 200
    wait(days=4)


@pytest.mark.stores
@pytest.mark.requirement("RG-04")
@pytest.mark.requirement("MF-09")
def test_recovery_with_email_code_and_password_removes_all_factors_after_the_delay(
    app, client, ada, wait
):
    response = recover(client)
    wait(hours=23, minutes=59)
    run_cleanup(app)
    before = client.log_in(User(ADA))["status"]

    wait(minutes=2)
    run_cleanup(app)

    assert status_and_code(response) == (200, "announced")
    due = datetime.fromisoformat(response.json["due_at"])
    assert timedelta(hours=-2) < due - clock.now() < timedelta(0)
    assert (before, client.log_in(ada)["status"]) == ("mfa_required", "authenticated")
    assert rows(app, Credential) == []
    assert {row.end_reason for row in rows(app, Session) if row.ended_at} == {"mfa_reset"}
    assert len(audited(app, "mfa_recovery.confirmed", "factor.reset")) == 2


@pytest.mark.requirement("RG-04")
def test_recovery_accepts_an_sms_code_and_the_password(app, client, ada, wait):
    verify_phone_long_ago(client, ada, wait)

    response = verify_recovery(client, request_recovery(client, phone=NUMBER))

    assert status_and_code(response) == (200, "announced")
    assert count_pending_resets(app) == 1


@pytest.mark.requirement("RG-04")
def test_recovery_accepts_a_sent_code_and_a_recovery_code(app, client, ada):
    """Two recovery codes of different methods (NIST SP 800-63B-4 section 4.2.2.2)."""
    recovery_code = ada.recovery_codes[0]

    responses = [recover(client, recovery_code=recovery_code) for _ in range(2)]

    assert [status_and_code(response) for response in responses] == [(200, "announced"), WRONG]
    assert count_pending_resets(app) == 1


@pytest.mark.requirement("RG-05")
def test_recovery_notifies_every_address_and_number_and_can_be_cancelled_from_each(
    app, client, ada, wait
):
    verify_phone_long_ago(client, ada, wait)
    ada.tokens = client.complete_mfa(ada, client.log_in(ada))
    change_email(client, ada.tokens)

    assert status_and_code(verify_recovery(client, request_recovery(client, phone=NUMBER))) == (
        200,
        "announced",
    )

    notifications = [read_messages(client, to, "notice_mfa_reset") for to in (ADA, NEW_ADDRESS)]
    assert [len(found) for found in notifications] == [1, 1]
    assert "second factor" in read_messages(client, NUMBER, "sms_notice")[0]["what"]
    token = token_of(notifications[0][0]["link"])
    assert client.post("/auth/mfa/reset/cancel", {"token": token}).status_code == 204
    assert count_pending_resets(app) == 0


def test_recovery_opens_no_session(app, client, ada):
    before = rows(app, Session)

    response = recover(client)

    assert response.json.keys() == {"status", "due_at"}
    assert len(rows(app, Session)) == len(before)
    assert client.log_in(ada)["status"] == "mfa_required"


def test_recovery_that_is_confirmed_twice_schedules_one_reset(app, client, ada):
    responses = [recover(client) for _ in range(2)]

    assert responses[0].json == responses[1].json
    assert len(read_messages(client, ADA, "notice_mfa_reset")) == 1


@pytest.mark.requirement("RL-07")
def test_recovery_of_known_and_unknown_identifiers_gets_the_same_response(client, ada, make_user):
    make_user(email="has-none@example.com")
    emails = [ADA, "has-none@example.com", "unknown@example.com"]
    identifiers = [*({"email": email} for email in emails), {"phone": "+4915199999999"}]

    requested = [client.post(REQUEST, identifier) for identifier in identifiers]
    verified = [verify_recovery(client, form) for form in map(_wrong_code_form, requested)]

    assert {(response.status_code, *sorted(response.json)) for response in requested} == {
        (202, "recovery_token", "status")
    }
    bodies = {response.text.replace(response.json["request_id"], "") for response in verified}
    assert (len(bodies), {status_and_code(response) for response in verified}) == (1, {WRONG})
    assert len(read_messages(client, ADA, "mfa_recovery")) == 1
    assert client.mailbox(to="unknown@example.com") == []


def _wrong_code_form(response):
    return {"recovery_token": response.json["recovery_token"], "code": "12345678"}


@pytest.mark.requirement("RL-07")
@pytest.mark.parametrize("email", [ADA, "has-none@example.com", "unknown@example.com"])
def test_recovery_and_password_reset_share_one_attempt_counter_for_every_email(
    client, ada, make_user, email
):
    """Otherwise password reset would reveal which accounts have no second factor."""
    make_user(email="has-none@example.com")
    for _ in range(6):
        wrong = _wrong_code_form(client.post(REQUEST, {"email": email}))
        recovery = [verify_recovery(client, wrong).status_code for _ in range(5)]

    form = {"email": email, "code": "12345678", "password": NEW}
    reset = client.post("/auth/password/reset", form)

    assert (recovery[-1], reset.status_code) == (429, 429)


@pytest.mark.requirement("RL-07")
def test_recovery_of_an_unknown_email_executes_the_statements_of_a_known_one(app, client, ada):
    requests = [
        partial(client.post, REQUEST, {"email": email}) for email in (ADA, "nob@example.com")
    ]
    real, decoy = (statements_of(app, request) for request in requests)
    forms = [_wrong_code_form(request()) for request in requests]

    known, unknown = (statements_of(app, partial(verify_recovery, client, form)) for form in forms)

    assert sorted(known) == sorted(unknown)  # their order may differ
    assert sorted(text for text in decoy if "DELETE FROM outbox" not in text) == sorted(real)


@pytest.mark.stores
@pytest.mark.requirement("RL-07")
@pytest.mark.parametrize("path", [REQUEST, "/auth/password/forgot"])
def test_recovery_of_an_unknown_number_executes_the_statements_of_a_known_one(
    app, client, ada, make_user, wait, path
):
    verify_phone_long_ago(client, ada, wait)
    other = make_user(email="has-none@example.com")
    client.log_in(other)
    assert verify_phone(client, other.tokens, OTHER_NUMBER).status_code == 200
    numbers = [NUMBER, OTHER_NUMBER, "+4915112345679"]
    requests = [partial(client.post, path, {"phone": number}) for number in numbers]
    for request in requests:
        request()

    known, *others = [summarize_statements(statements_of(app, request)) for request in requests]

    assert len(known) >= 12
    assert others == [known, known]


def summarize_statements(statements):
    """Return verb and table of each statement, sorted, without the deletion of decoy messages."""
    kept = [text for text in statements if "DELETE FROM outbox" not in text]
    tables = re.compile(r"^(SELECT)\b.*?\bFROM (\w+)|^(\w+)(?: INTO| FROM)? (\w+)", re.DOTALL)
    return sorted(" ".join(filter(None, tables.match(text).groups())) for text in kept)


@pytest.mark.stores
@pytest.mark.requirement("MF-02")
def test_recovery_in_twenty_parallel_requests_schedules_one_reset(app, client, ada):
    form = request_recovery(client) | {"password": PASSWORD}

    responses = client.in_parallel(20, VERIFY, form)

    assert [response.status_code for response in responses].count(200) == 1
    statuses = {response.status_code for response in responses}
    assert statuses <= {200, 401, 429, 503}  # 503: too many password hashes at a time
    assert len(read_messages(client, ADA, "notice_mfa_reset")) == 1


@pytest.mark.requirement("MF-06")
def test_recovery_attempts_are_counted_over_all_codes_that_are_sent(app, client, ada, wait):
    """Neither new codes nor waiting for more messages resets the count: the 26th is rejected."""
    statuses = []
    for _ in range(2):
        for _ in range(3):
            form = request_recovery(client)
            form["code"] = wrong_code(form["code"])
            statuses += [verify_recovery(client, form).status_code for _ in range(5)]
        wait(hours=1, seconds=1)

    assert statuses == [401] * 25 + [429] * 5
    assert count_pending_resets(app) == 0


@pytest.mark.requirement("MF-05")
def test_recovery_code_by_email_expires_after_ten_minutes(client, ada, wait):
    form = request_recovery(client)
    wait(minutes=10, seconds=1)

    assert status_and_code(verify_recovery(client, form)) == WRONG


@pytest.mark.requirement("RG-01")
@pytest.mark.requirement("MF-05")
def test_recovery_code_works_only_with_its_own_token_and_purpose(client, ada):
    own, other = request_recovery(client), request_recovery(client)
    client.post("/auth/password/forgot", {"email": ADA})
    reset_code = read_messages(client, ADA, "password_reset")[0]["code"]

    code_of_other_token = verify_recovery(client, own | {"code": other["code"]})
    reset_code_here = verify_recovery(client, own | {"code": reset_code})
    form = {"email": ADA, "code": own["code"], "password": NEW}
    own_code_in_reset = client.post("/auth/password/reset", form)

    assert [
        status_and_code(response)
        for response in (code_of_other_token, reset_code_here, own_code_in_reset)
    ] == [WRONG] * 3
    assert status_and_code(verify_recovery(client, own)) == (200, "announced")


def test_recovery_request_with_an_idempotency_key_sends_one_code(client, ada):
    headers = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93"}

    responses = [client.post(REQUEST, {"email": ADA}, headers=headers) for _ in range(2)]

    assert responses[0].json == responses[1].json
    assert len(read_messages(client, ADA, "mfa_recovery")) == 1
    form = {
        "recovery_token": responses[1].json["recovery_token"],
        "code": newest_code(client, ADA),
    }
    assert status_and_code(verify_recovery(client, form)) == (200, "announced")


def test_recovery_sends_three_emails_an_hour_and_then_none_with_the_same_response(client, ada):
    responses = [client.post(REQUEST, {"email": ADA}) for _ in range(4)]

    assert {response.status_code for response in responses} == {202}
    assert len(read_messages(client, ADA, "mfa_recovery")) == 3


@pytest.mark.stores
def test_recovery_in_twenty_parallel_requests_sends_three_emails(client, ada):
    responses = client.in_parallel(20, REQUEST, {"email": ADA})

    assert {response.status_code for response in responses} <= {202, 503}
    assert len(read_messages(client, ADA, "mfa_recovery")) == 3


@pytest.mark.parametrize("second", [{}, {"password": PASSWORD, "recovery_code": "abcd"}])
def test_recovery_needs_exactly_one_method_beside_the_code(client, ada, second):
    response = client.post(VERIFY, request_recovery(client) | second)

    assert status_and_code(response) == (422, "validation_failed")


@pytest.mark.settings(GATEHOUSE_MFA_RESET_DELAY="0")
def test_recovery_without_a_delay_is_executed_by_the_next_cleanup(app, client, ada):
    recover(client)
    run_cleanup(app)

    assert client.log_in(ada)["status"] == "authenticated"


def test_recovery_is_replaced_by_the_reset_of_an_operator(app, client, ada, wait):
    recover(client)
    wait(hours=1)

    commands = [app.test_cli_runner().invoke(args=["users", "reset-mfa", ADA]) for _ in range(2)]

    assert [command.exit_code for command in commands] == [0, 1]
    assert count_pending_resets(app) == 1
    assert status_and_code(recover(client)) == (200, "announced")
    assert count_pending_resets(app) == 1
