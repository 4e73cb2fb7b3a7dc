"""E-mail and SMS OTP: bound to one login, newest only, attempts counted per account."""

import logging
from dataclasses import replace

import pytest

from models import Credential, OneTimeCode, Session
from tests.client import PASSWORD
from tests.login_attempts import set_failures
from tests.mail_links import advance_clock, wrong_code
from tests.mfa.conftest import status_and_code
from tests.mfa.otp import (
    KINDS,
    NUMBER,
    OTHER_NUMBER,
    confirm_factor,
    count_codes,
    enrol_factor,
    read_code,
    request_challenge,
    second_step_form,
    start_enrolment,
    verify_phone,
)
from tests.rows import audited, rows

STEP = "/auth/login/mfa"
WRONG = (401, "invalid_code")
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.requirement("MF-08")
@pytest.mark.parametrize(
    ("kind", "amr", "acr"),
    [("email", ["pwd", "email"], "aal1"), ("sms", ["pwd", "sms", "mfa"], "aal2")],
)
def test_otp_completes_a_login_at_the_level_of_its_channel(app, client, make_user, kind, amr, acr):
    user = make_user()
    factor = enrol_factor(client, user, kind)
    challenge = client.log_in(user)
    requested = request_challenge(client, challenge, factor)
    code = read_code(client, user, kind)

    response = client.post(STEP, second_step_form(challenge, kind, code))

    assert (requested.status_code, requested.json) == (200, {"expires_in": 600})
    assert (len(code), code.isdigit()) == (6, True)
    assert response.status_code == 200
    session = rows(app, Session)[-1]
    assert (session.amr, session.acr) == (amr, acr)
    assert (session.aal2_authenticated_at is not None) == (acr == "aal2")


@pytest.mark.requirement("MF-05")
@each_kind
def test_otp_is_accepted_in_the_login_that_requested_it_only(client, make_user, kind):
    user, other = make_user(), make_user()
    factor = enrol_factor(client, user, kind)
    other_factor = enrol_factor(client, other, "email")
    requested, unrequested, foreign = client.log_in(user), client.log_in(user), client.log_in(other)
    request_challenge(client, requested, factor)
    code = read_code(client, user, kind)
    request_challenge(client, foreign, other_factor)

    responses = [
        client.post(STEP, second_step_form(unrequested, kind, code)),
        client.post(STEP, second_step_form(foreign, "email", code)),
        client.post("/auth/reauthenticate", {"factor": kind, "code": code}),
        client.post(
            "/auth/email/verify", {"email": user.email, "code": code, "password": user.password}
        ),
    ]

    assert [response.status_code for response in responses] == [401] * 4
    assert client.post(STEP, second_step_form(requested, kind, code)).status_code == 200


@pytest.mark.requirement("MF-05")
@each_kind
def test_otp_of_a_second_step_is_not_accepted_for_step_up(client, make_user, kind):
    user = make_user()
    factor = enrol_factor(client, user, kind)
    first = client.log_in(user)
    request_challenge(client, first, factor)
    code = read_code(client, user, kind)
    signed_in = client.as_(client.post(STEP, second_step_form(first, kind, code)).json)
    request_challenge(client, client.log_in(user), factor)
    code = read_code(client, user, kind)
    signed_in.post("/auth/reauthenticate/challenge", {"factor_id": factor["id"]})

    response = signed_in.post("/auth/reauthenticate", {"factor": kind, "code": code})

    assert status_and_code(response) == WRONG
    correct = {"factor": kind, "code": read_code(client, user, kind)}
    assert signed_in.post("/auth/reauthenticate", correct).status_code == 200


@pytest.mark.requirement("MF-05")
@pytest.mark.parametrize(("minutes", "status"), [(9, 200), (11, 401)])
@each_kind
def test_otp_and_its_login_expire_after_ten_minutes(client, make_user, kind, minutes, status):
    user = make_user()
    factor = enrol_factor(client, user, kind)
    challenge = client.log_in(user)
    request_challenge(client, challenge, factor)
    code = read_code(client, user, kind)

    with advance_clock(minutes=minutes):
        response = client.post(STEP, second_step_form(challenge, kind, code))

    assert response.status_code == status


@pytest.mark.requirement("MF-05")
@each_kind
def test_otp_is_replaced_by_a_newer_one(client, make_user, kind):
    user = make_user()
    factor = enrol_factor(client, user, kind)
    challenge = client.log_in(user)
    request_challenge(client, challenge, factor)
    older = read_code(client, user, kind)
    request_challenge(client, challenge, factor)
    newer = read_code(client, user, kind)

    responses = [
        client.post(STEP, second_step_form(challenge, kind, code)) for code in (older, newer)
    ]

    assert older != newer
    assert [response.status_code for response in responses] == [401, 200]


@pytest.mark.requirement("MF-06")
@pytest.mark.requirement("RL-03")
@each_kind
def test_otp_attempts_are_not_reset_by_a_new_code_or_a_new_login(
    app, client, make_user, wait, kind
):
    user = make_user()
    factor = enrol_factor(client, user, kind)
    form = {"identifier": user.email, "password": PASSWORD}

    statuses = []
    for number in range(6):
        wait(hours=3)  # so that a message is sent each time
        if number == 2:
            set_failures(app, 90)
        network = {"environ_overrides": {"REMOTE_ADDR": f"10.{number}.0.1"}}
        challenge = client.post("/auth/login", form, **network).json
        request_challenge(client, challenge, factor)
        wrong = second_step_form(challenge, kind, wrong_code(read_code(client, user, kind)))
        statuses += [client.post(STEP, wrong, **network).status_code for _ in range(5)]

    assert statuses == [401] * 20 + [429] * 10
    assert len(audited(app, "factor.failed")) == 20
    correct = second_step_form(challenge, kind, read_code(client, user, kind))
    assert client.post(STEP, correct).status_code == 429


@pytest.mark.requirement("MF-05")
@pytest.mark.parametrize(("kind", "limit"), [("email", 10), ("sms", 5)])
def test_otp_stays_valid_when_the_hourly_limit_suppresses_new_ones(
    app, client, make_user, kind, limit
):
    user = make_user()
    factor = enrol_factor(client, user, kind)
    challenge = client.log_in(user)
    responses = [request_challenge(client, challenge, factor) for _ in range(limit + 3)]

    response = client.post(STEP, second_step_form(challenge, kind, read_code(client, user, kind)))

    assert {a.status_code for a in responses} == {200}
    assert len({a.text for a in responses}) == 1
    assert count_codes(client, user, kind) <= limit
    assert audited(app, "factor.code_suppressed")
    assert response.status_code == 200


def test_otp_request_with_an_idempotency_key_sends_one_code(client, make_user):
    user = make_user()
    factor = enrol_factor(client, user, "email")
    challenge = client.log_in(user)
    before = count_codes(client, user, "email")
    form = {"mfa_token": challenge["mfa_token"], "factor_id": factor["id"]}

    key = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93"}
    responses = [client.post(f"{STEP}/challenge", form, headers=key) for _ in range(2)]

    assert [response.json for response in responses] == [{"expires_in": 600}] * 2
    assert count_codes(client, user, "email") == before + 1


@each_kind
def test_otp_can_be_requested_for_own_factors_only(client, make_user, kind):
    user, other = make_user(), make_user()
    factor = enrol_factor(client, user, kind)
    enrol_factor(client, other, "email")
    foreign = client.log_in(other)
    before = count_codes(client, user, kind)

    responses = [
        request_challenge(client, foreign, factor),
        request_challenge(client, {"mfa_token": "x" * 43}, factor),
    ]

    assert [status_and_code(response) for response in responses] == [WRONG] * 2
    assert count_codes(client, user, kind) == before


@pytest.mark.requirement("MF-07")
def test_sms_otp_needs_a_verified_number_and_states_its_risk(client, make_user):
    user = make_user()
    client.log_in(user)
    rejected = client.as_(user.tokens).post("/auth/mfa/factors", {"kind": "sms"})

    factor = start_enrolment(client, user, "sms")

    assert status_and_code(rejected) == (409, "phone_unverified")
    assert factor["alternatives"] == ["totp", "passkey"]
    assert "number" in factor["risk"]
    assert client.as_(user.tokens).get("/auth/mfa/factors").json["items"] == []


def test_sms_otp_keeps_its_number_when_the_account_gets_another(client, make_user):
    user = make_user()
    factor = enrol_factor(client, user, "sms")
    user.tokens = client.renew(user.tokens)  # the session stepped up with the factor
    verify_phone(client, user, OTHER_NUMBER)
    challenge = client.log_in(user)

    request_challenge(client, challenge, factor)

    assert next(item["template"] for item in client.mailbox(to=NUMBER)) == "sms_factor"
    templates = [item["template"] for item in client.mailbox(to=OTHER_NUMBER)]
    assert "sms_factor" not in templates


@pytest.mark.requirement("MF-08")
@pytest.mark.settings(GATEHOUSE_FACTORS="totp,recovery_codes")
@each_kind
def test_otp_kinds_can_be_disabled(client, make_user, kind):
    user = make_user()
    client.log_in(user)

    response = client.as_(user.tokens).post("/auth/mfa/factors", {"kind": kind})

    assert status_and_code(response) == (403, "factor_unavailable")


@pytest.mark.requirement("MF-08")
def test_email_otp_does_not_renew_aal2(app, client, make_user, wait):
    user = make_user()
    factor = enrol_factor(client, user, "email")
    client.log_in(user)
    challenge = client.log_in(user)
    request_challenge(client, challenge, factor)
    code = read_code(client, user, "email")
    user.tokens = client.post(STEP, second_step_form(challenge, "email", code)).json
    client.enrol_totp(user)
    stepped_up_at = rows(app, Session)[-1].aal2_authenticated_at
    wait(minutes=5)
    signed_in = client.as_(client.renew(user.tokens))
    signed_in.post("/auth/reauthenticate/challenge", {"factor_id": factor["id"]})

    form = {"factor": "email", "code": read_code(client, user, "email")}
    response = signed_in.post("/auth/reauthenticate", form)

    assert response.status_code == 200
    session = rows(app, Session)[-1]
    assert stepped_up_at is not None
    assert (session.acr, session.aal2_authenticated_at) == ("aal2", stepped_up_at)
    assert session.authenticated_at > stepped_up_at


@pytest.mark.requirement("MF-01")
@pytest.mark.requirement("MF-08")
@each_kind
def test_otp_by_the_channel_of_the_first_step_is_not_offered(app, client, make_user, kind):
    user = make_user()
    factor = enrol_factor(client, user, kind)
    to = {"email": user.email} if kind == "email" else {"phone": NUMBER}
    login_token = client.post("/auth/login/link", to).json["login_token"]
    code = client.mailbox(to=next(iter(to.values())))[0]["variables"]["code"]
    form = {"login_token": login_token, "code": code}
    challenge = client.post("/auth/login/link/verify", form).json
    before = count_codes(client, user, kind)

    responses = [
        request_challenge(client, challenge, factor),
        client.post(STEP, second_step_form(challenge, kind, code)),
    ]

    assert [offer["kind"] for offer in challenge["factors"]] == ["recovery_codes"]
    assert [status_and_code(response) for response in responses] == [WRONG] * 2
    assert count_codes(client, user, kind) == before
    form = second_step_form(challenge, "recovery_codes", user.recovery_codes[0])
    assert client.post(STEP, form).status_code == 200


@pytest.mark.requirement("MF-08")
def test_email_otp_leads_to_enrolment_where_a_factor_is_required(app, client, make_user):
    user = make_user()
    factor = enrol_factor(client, user, "email")
    app.extensions["gatehouse.settings"] = _settings_that_require_mfa(app)
    challenge = client.log_in(user)
    request_challenge(client, challenge, factor)
    before = len(rows(app, Session))

    response = client.post(
        STEP, second_step_form(challenge, "email", read_code(client, user, "email"))
    )

    assert (response.status_code, response.json["status"]) == (200, "mfa_enrolment_required")
    assert "access_token" not in response.json
    assert len(rows(app, Session)) == before
    form = {"mfa_token": response.json["mfa_token"], "kind": "totp"}
    assert client.post(f"{STEP}/enrolment", form).status_code == 201


@pytest.mark.requirement("MF-08")
def test_email_otp_is_not_offered_to_a_user_with_totp_where_a_factor_is_required(
    app, client, make_user
):
    user = make_user()
    factor = enrol_factor(client, user, "email")
    challenge = client.log_in(user)
    request_challenge(client, challenge, factor)
    code = read_code(client, user, "email")
    user.tokens = client.post(STEP, second_step_form(challenge, "email", code)).json
    client.enrol_totp(user)
    app.extensions["gatehouse.settings"] = _settings_that_require_mfa(app)

    challenge = client.log_in(user)

    kinds = [offer["kind"] for offer in challenge["factors"]]
    assert kinds == ["totp", "recovery_codes"]
    assert status_and_code(request_challenge(client, challenge, factor)) == WRONG


@pytest.mark.requirement("RL-09")
def test_otp_failures_after_a_correct_password_are_notified_once(client, make_user):
    user = make_user()
    factor = enrol_factor(client, user, "email")
    challenge = client.log_in(user)
    request_challenge(client, challenge, factor)
    code = read_code(client, user, "email")
    before = _count_attempt_notifications(client, user)

    wrong = [
        client.post(STEP, second_step_form(challenge, "email", wrong_code(code))) for _ in range(2)
    ]

    assert [status_and_code(response) for response in wrong] == [WRONG] * 2
    assert (before, _count_attempt_notifications(client, user)) == (0, 1)


@pytest.mark.requirement("RL-09")
@pytest.mark.parametrize(("failures", "notifications"), [(2, 0), (4, 1)])
def test_login_after_several_failures_is_notified(client, make_user, failures, notifications):
    user = make_user()
    for number in range(failures):
        form = {"identifier": user.email, "password": f"a wrong phrase {number}"}
        assert client.post("/auth/login", form).status_code == 401

    client.log_in(user)

    assert _count_attempt_notifications(client, user) == notifications


@pytest.mark.requirement("RL-09")
def test_login_failures_on_a_known_device_are_not_notified(client, make_user):
    user = make_user()
    device = {"X-Device-Token": client.log_in(user)["device_token"]}
    for _ in range(4):
        form = {"identifier": user.email, "password": "a wrong phrase"}
        client.post("/auth/login", form, headers=device)

    form = {"identifier": user.email, "password": PASSWORD}
    response = client.post("/auth/login", form, headers=device)

    assert response.status_code == 200
    assert _count_attempt_notifications(client, user) == 0


@each_kind
def test_otp_factor_is_confirmed_by_its_first_code_only(app, client, make_user, kind, caplog):
    caplog.set_level(logging.DEBUG)
    user = make_user()
    factor = start_enrolment(client, user, kind)
    code = read_code(client, user, kind)

    wrong = confirm_factor(client, user, factor, wrong_code(code))
    correct = confirm_factor(client, user, factor, code)

    assert (status_and_code(wrong), correct.status_code) == (WRONG, 200)
    assert len(correct.json["recovery_codes"]) == 10
    assert code not in caplog.text
    assert code not in correct.text
    assert all(code.encode() not in row.data for row in rows(app, Credential))
    assert all(code not in (row.code_digest or "") for row in rows(app, OneTimeCode))


def _count_attempt_notifications(client, user):
    return [item["template"] for item in client.mailbox(to=user.email)].count("notice_attempts")


def _settings_that_require_mfa(app):
    return replace(app.extensions["gatehouse.settings"], mfa="required")
