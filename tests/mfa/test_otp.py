"""Codes by mail and by SMS: bound to the login that asked, newest only, counted for the account."""

import logging
from dataclasses import replace

import pytest

from models import Challenge, Credential, Session
from tests.client import PASSWORD
from tests.letters import later, other_code
from tests.mfa.otp import (
    KINDS,
    NUMBER,
    OTHER_NUMBER,
    ask,
    begin,
    code_of,
    confirm,
    enrol,
    prove_phone,
    sent,
    step,
)
from tests.password_guessing import set_counters
from tests.rows import audited, rows

STEP = "/auth/login/mfa"
WRONG = (401, "invalid_code")
each_kind = pytest.mark.parametrize("kind", KINDS)


def told(answer):
    return answer.status_code, answer.json.get("code")


@pytest.mark.requirement("MF-08")
@pytest.mark.parametrize(
    ("kind", "amr", "acr"),
    [("email", ["pwd", "email"], "aal1"), ("sms", ["pwd", "sms", "mfa"], "aal2")],
)
def test_a_code_finishes_a_login_at_the_level_of_its_channel(
    app, client, make_user, kind, amr, acr
):
    user = make_user()
    factor = enrol(client, user, kind)
    question = client.log_in(user)
    asked = ask(client, question, factor)
    code = code_of(client, user, kind)

    answer = client.post(STEP, step(question, kind, code))

    assert (asked.status_code, asked.json) == (200, {"expires_in": 600})
    assert (len(code), code.isdigit()) == (6, True)
    assert answer.status_code == 200
    session = rows(app, Session)[-1]
    assert (session.amr, session.acr) == (amr, acr)
    assert (session.raised_at is not None) == (acr == "aal2")


@pytest.mark.requirement("MF-05")
@each_kind
def test_a_code_is_good_for_the_login_that_asked_alone(client, make_user, kind):
    user, other = make_user(), make_user()
    factor = enrol(client, user, kind)
    theirs = enrol(client, other, "email")
    asked, unasked, foreign = client.log_in(user), client.log_in(user), client.log_in(other)
    ask(client, asked, factor)
    code = code_of(client, user, kind)
    ask(client, foreign, theirs)

    answers = [
        client.post(STEP, step(unasked, kind, code)),
        client.post(STEP, step(foreign, "email", code)),
        client.post("/auth/reauthenticate", {"factor": kind, "code": code}),
        client.post("/auth/email/verify", {"email": user.email, "code": code}),
    ]

    assert [answer.status_code for answer in answers] == [401] * 4
    assert client.post(STEP, step(asked, kind, code)).status_code == 200


@pytest.mark.requirement("MF-05")
@each_kind
def test_a_code_of_the_second_step_is_none_to_step_up(client, make_user, kind):
    user = make_user()
    factor = enrol(client, user, kind)
    first = client.log_in(user)
    ask(client, first, factor)
    code = code_of(client, user, kind)
    mine = client.as_(client.post(STEP, step(first, kind, code)).json)
    ask(client, client.log_in(user), factor)
    code = code_of(client, user, kind)
    mine.post("/auth/reauthenticate/challenge", {"factor_id": factor["id"]})

    answer = mine.post("/auth/reauthenticate", {"factor": kind, "code": code})

    assert told(answer) == WRONG
    right = {"factor": kind, "code": code_of(client, user, kind)}
    assert mine.post("/auth/reauthenticate", right).status_code == 200


@pytest.mark.requirement("MF-05")
@pytest.mark.parametrize(("minutes", "status"), [(9, 200), (11, 401)])
@each_kind
def test_a_code_lives_ten_minutes_and_its_login_as_long(client, make_user, kind, minutes, status):
    user = make_user()
    factor = enrol(client, user, kind)
    question = client.log_in(user)
    ask(client, question, factor)
    code = code_of(client, user, kind)

    with later(minutes=minutes):
        answer = client.post(STEP, step(question, kind, code))

    assert answer.status_code == status


@pytest.mark.requirement("MF-05")
@each_kind
def test_only_the_newest_code_is_good(client, make_user, kind):
    user = make_user()
    factor = enrol(client, user, kind)
    question = client.log_in(user)
    ask(client, question, factor)
    older = code_of(client, user, kind)
    ask(client, question, factor)
    newer = code_of(client, user, kind)

    answers = [client.post(STEP, step(question, kind, code)) for code in (older, newer)]

    assert older != newer
    assert [answer.status_code for answer in answers] == [401, 200]


@pytest.mark.requirement("MF-06")
@pytest.mark.requirement("RL-03")
@each_kind
def test_neither_a_new_code_nor_a_new_login_resets_the_guesses(app, client, make_user, wait, kind):
    user = make_user()
    factor = enrol(client, user, kind)
    form = {"identifier": user.email, "password": PASSWORD}

    statuses = []
    for number in range(6):
        wait(hours=3)  # so that a message is sent each time
        if number == 2:
            set_counters(app, 90)
        sender = {"environ_overrides": {"REMOTE_ADDR": f"10.{number}.0.1"}}
        question = client.post("/auth/login", form, **sender).json
        ask(client, question, factor)
        guess = step(question, kind, other_code(code_of(client, user, kind)))
        statuses += [client.post(STEP, guess, **sender).status_code for _ in range(5)]

    assert statuses == [401] * 20 + [429] * 10
    assert len(audited(app, "factor.failed")) == 20
    right = step(question, kind, code_of(client, user, kind))
    assert client.post(STEP, right).status_code == 429


@pytest.mark.requirement("MF-05")
@pytest.mark.parametrize(("kind", "most"), [("email", 10), ("sms", 5)])
def test_after_enough_messages_the_last_code_stays_good(app, client, make_user, kind, most):
    user = make_user()
    factor = enrol(client, user, kind)
    question = client.log_in(user)
    answers = [ask(client, question, factor) for _ in range(most + 3)]

    answer = client.post(STEP, step(question, kind, code_of(client, user, kind)))

    assert {a.status_code for a in answers} == {200}
    assert len({a.text for a in answers}) == 1
    assert sent(client, user, kind) <= most
    assert audited(app, "factor.code_withheld")
    assert answer.status_code == 200


def test_a_request_that_is_sent_again_sends_no_second_code(client, make_user):
    user = make_user()
    factor = enrol(client, user, "email")
    question = client.log_in(user)
    before = sent(client, user, "email")
    form = {"mfa_token": question["mfa_token"], "factor_id": factor["id"]}

    key = {"Idempotency-Key": "one"}
    answers = [client.post(f"{STEP}/challenge", form, headers=key) for _ in range(2)]

    assert [answer.json for answer in answers] == [{"expires_in": 600}] * 2
    assert sent(client, user, "email") == before + 1


@each_kind
def test_one_is_asked_for_factors_of_ones_own_only(client, make_user, kind):
    user, other = make_user(), make_user()
    factor = enrol(client, user, kind)
    enrol(client, other, "email")
    foreign = client.log_in(other)
    before = sent(client, user, kind)

    answers = [ask(client, foreign, factor), ask(client, {"mfa_token": "x" * 43}, factor)]

    assert [told(answer) for answer in answers] == [WRONG] * 2
    assert sent(client, user, kind) == before


@pytest.mark.requirement("MF-07")
def test_texts_go_to_a_proven_number_only_and_the_risk_is_told(client, make_user):
    user = make_user()
    client.log_in(user)
    refused = client.as_(user.tokens).post("/auth/mfa/factors", {"kind": "sms"})

    factor = begin(client, user, "sms")

    assert told(refused) == (409, "phone_unproven")
    assert factor["alternatives"] == ["totp", "passkey"]
    assert "number" in factor["risk"]
    assert client.as_(user.tokens).get("/auth/mfa/factors").json["items"] == []


@pytest.mark.requirement("MF-07")
def test_another_number_of_the_account_does_not_move_the_factor(client, make_user):
    user = make_user()
    factor = enrol(client, user, "sms")
    user.tokens = client.renew(user.tokens)  # it rose with the factor, without which none can
    prove_phone(client, user, OTHER_NUMBER)
    question = client.log_in(user)

    ask(client, question, factor)

    assert next(item["template"] for item in client.mailbox(to=NUMBER)) == "sms_factor"
    templates = [item["template"] for item in client.mailbox(to=OTHER_NUMBER)]
    assert "sms_factor" not in templates


@pytest.mark.requirement("MF-08")
@pytest.mark.settings(GATEHOUSE_FACTORS="totp,recovery_codes")
@each_kind
def test_codes_that_are_sent_can_be_switched_off(client, make_user, kind):
    user = make_user()
    client.log_in(user)

    answer = client.as_(user.tokens).post("/auth/mfa/factors", {"kind": kind})

    assert told(answer) == (403, "factor_not_offered")


@pytest.mark.requirement("MF-08")
def test_a_code_by_mail_keeps_no_session_raised(app, client, make_user, wait):
    user = make_user()
    factor = enrol(client, user, "email")
    client.log_in(user)
    question = client.log_in(user)
    ask(client, question, factor)
    code = code_of(client, user, "email")
    user.tokens = client.post(STEP, step(question, "email", code)).json
    client.enrol_totp(user)
    raised = rows(app, Session)[-1].raised_at
    wait(minutes=5)
    mine = client.as_(client.renew(user.tokens))
    mine.post("/auth/reauthenticate/challenge", {"factor_id": factor["id"]})

    form = {"factor": "email", "code": code_of(client, user, "email")}
    answer = mine.post("/auth/reauthenticate", form)

    assert answer.status_code == 200
    session = rows(app, Session)[-1]
    assert raised is not None
    assert (session.acr, session.raised_at) == ("aal2", raised)
    assert session.authenticated_at > raised


@pytest.mark.requirement("MF-01")
@pytest.mark.requirement("MF-08")
@each_kind
def test_the_channel_of_the_first_step_is_no_second_factor(app, client, make_user, kind):
    user = make_user()
    factor = enrol(client, user, kind)
    to = {"email": user.email} if kind == "email" else {"phone": NUMBER}
    login_token = client.post("/auth/login/link", to).json["login_token"]
    code = client.mailbox(to=next(iter(to.values())))[0]["variables"]["code"]
    form = {"login_token": login_token, "code": code}
    question = client.post("/auth/login/link/verify", form).json
    before = sent(client, user, kind)

    answers = [ask(client, question, factor), client.post(STEP, step(question, kind, code))]

    assert [offer["kind"] for offer in question["factors"]] == ["recovery_codes"]
    assert [told(answer) for answer in answers] == [WRONG] * 2
    assert sent(client, user, kind) == before
    form = step(question, "recovery_codes", user.recovery_codes[0])
    assert client.post(STEP, form).status_code == 200


@pytest.mark.requirement("MF-08")
def test_where_a_factor_is_required_a_mailbox_only_leads_to_setting_one_up(app, client, make_user):
    user = make_user()
    factor = enrol(client, user, "email")
    app.extensions["gatehouse.settings"] = _requiring(app)
    question = client.log_in(user)
    ask(client, question, factor)
    before = len(rows(app, Session))

    answer = client.post(STEP, step(question, "email", code_of(client, user, "email")))

    assert (answer.status_code, answer.json["status"]) == (200, "mfa_enrolment_required")
    assert "access_token" not in answer.json
    assert len(rows(app, Session)) == before
    form = {"mfa_token": answer.json["mfa_token"], "kind": "totp"}
    assert client.post(f"{STEP}/enrolment", form).status_code == 201


@pytest.mark.requirement("MF-08")
def test_where_a_factor_is_required_who_has_an_app_is_asked_for_that(app, client, make_user):
    user = make_user()
    factor = enrol(client, user, "email")
    question = client.log_in(user)
    ask(client, question, factor)
    code = code_of(client, user, "email")
    user.tokens = client.post(STEP, step(question, "email", code)).json
    client.enrol_totp(user)
    app.extensions["gatehouse.settings"] = _requiring(app)

    question = client.log_in(user)

    kinds = [offer["kind"] for offer in question["factors"]]
    assert kinds == ["totp", "recovery_codes"]
    assert told(ask(client, question, factor)) == WRONG


@pytest.mark.requirement("RL-09")
def test_a_right_password_and_a_wrong_code_are_told_to_the_owner_once(client, make_user):
    user = make_user()
    factor = enrol(client, user, "email")
    question = client.log_in(user)
    ask(client, question, factor)
    code = code_of(client, user, "email")
    before = _told_of_attempts(client, user)

    wrong = [client.post(STEP, step(question, "email", other_code(code))) for _ in range(2)]

    assert [told(answer) for answer in wrong] == [WRONG] * 2
    assert (before, _told_of_attempts(client, user)) == (0, 1)


@pytest.mark.requirement("RL-09")
@pytest.mark.parametrize(("failures", "notices"), [(2, 0), (4, 1)])
def test_the_right_password_after_wrong_ones_is_told_to_the_owner(
    client, make_user, failures, notices
):
    user = make_user()
    for number in range(failures):
        form = {"identifier": user.email, "password": f"a wrong phrase {number}"}
        assert client.post("/auth/login", form).status_code == 401

    client.log_in(user)

    assert _told_of_attempts(client, user) == notices


@pytest.mark.requirement("RL-09")
def test_typing_errors_on_a_known_device_are_told_to_nobody(client, make_user):
    user = make_user()
    device = {"X-Device-Token": client.log_in(user)["device_token"]}
    for _ in range(4):
        form = {"identifier": user.email, "password": "a wrong phrase"}
        client.post("/auth/login", form, headers=device)

    form = {"identifier": user.email, "password": PASSWORD}
    answer = client.post("/auth/login", form, headers=device)

    assert answer.status_code == 200
    assert _told_of_attempts(client, user) == 0


@each_kind
def test_a_first_code_confirms_the_factor_and_no_other(app, client, make_user, kind, caplog):
    caplog.set_level(logging.DEBUG)
    user = make_user()
    factor = begin(client, user, kind)
    code = code_of(client, user, kind)

    wrong = confirm(client, user, factor, other_code(code))
    right = confirm(client, user, factor, code)

    assert (told(wrong), right.status_code) == (WRONG, 200)
    assert len(right.json["recovery_codes"]) == 10
    assert code not in caplog.text
    assert code not in right.text
    assert all(code.encode() not in row.data for row in rows(app, Credential))
    assert all(code not in (row.code_digest or "") for row in rows(app, Challenge))


def _told_of_attempts(client, user):
    return [item["template"] for item in client.mailbox(to=user.email)].count("notice_attempts")


def _requiring(app):
    return replace(app.extensions["gatehouse.settings"], mfa="required")
