"""The second step of a login: asked of whoever has a factor, and opening a session once."""

from functools import partial

import pytest
import sqlalchemy as sa

from gatehouse.core import clock
from gatehouse.database.session import db
from models import Credential, Password, Session
from tests.client import PASSWORD
from tests.mfa import otp as sent
from tests.rows import audited, rows
from tests.statements import sent_by


def step(question, code, **more):
    return {"mfa_token": question["mfa_token"], "factor": "totp", "code": code, **more}


def test_whoever_has_a_factor_gets_a_question_and_no_token(client, make_user):
    user = make_user(factors=["totp"])

    question = client.log_in(user)

    assert question["status"] == "mfa_required"
    assert question["expires_in"] == 300
    kinds = [(factor["kind"], factor.get("label")) for factor in question["factors"]]
    assert kinds == [("totp", "Phone"), ("recovery_codes", None)]
    assert question.keys() == {"status", "mfa_token", "expires_in", "factors"}


def test_password_and_code_make_a_session_at_aal2(app, client, make_user):
    user = make_user(factors=["totp"])

    tokens = client.second_step(user, client.log_in(user))

    assert tokens["status"] == "authenticated"
    session = rows(app, Session)[-1]
    assert (session.acr, session.amr) == ("aal2", ["pwd", "otp", "mfa"])
    assert session.raised_at == session.authenticated_at


@pytest.mark.stores
@pytest.mark.requirement("MF-02")
def test_a_totp_code_opens_one_session_when_posted_twenty_times_at_once(client, make_user):
    user = make_user(factors=["totp"])
    question = client.log_in(user)

    answers = client.in_parallel(20, "/auth/login/mfa", step(question, user.totp()))

    assert sorted(a.status_code for a in answers) == [200] + [401] * 19


@pytest.mark.stores
@pytest.mark.requirement("MF-02")
def test_a_code_works_in_one_login_only(client, make_user):
    user = make_user(factors=["totp"])
    first, second = client.log_in(user), client.log_in(user)
    code = user.totp()

    assert client.post("/auth/login/mfa", step(first, code)).status_code == 200
    again = [client.post("/auth/login/mfa", step(second, code)) for _ in range(10)]

    assert {a.status_code for a in again} == {401}
    assert {a.json["code"] for a in again} == {"invalid_code"}


@pytest.mark.stores
@pytest.mark.requirement("RG-06")
def test_a_recovery_code_opens_one_session_when_posted_twenty_times_at_once(client, make_user):
    user = make_user(factors=["totp"])
    question = client.log_in(user)
    form = step(question, user.recovery_codes[0]) | {"factor": "recovery_codes"}

    answers = client.in_parallel(20, "/auth/login/mfa", form)

    assert sorted(a.status_code for a in answers) == [200] + [401] * 19
    letters = {item["template"] for item in client.mailbox(to=user.email)}
    assert "notice_recovery_code_used" in letters


@pytest.mark.requirement("MF-03")
@pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 401), (0, 200), (1, 401), (2, 401)])
def test_only_the_codes_of_now_and_just_before_are_good(client, make_user, steps, status, wait):
    user = make_user(factors=["totp"])  # which used the code of the step before
    question = client.log_in(user)

    headers = {"Date": "Mon, 01 Jan 2035 00:00:00 GMT"}
    answer = client.post("/auth/login/mfa", step(question, user.totp(steps)), headers=headers)

    assert answer.status_code == status


@pytest.mark.requirement("MF-03")
def test_a_code_is_good_for_one_step_longer_than_it_is_shown(client, make_user, wait):
    user = make_user(factors=["totp"])
    question, code = client.log_in(user), user.totp()
    wait(seconds=30)

    assert client.post("/auth/login/mfa", step(question, code)).status_code == 200


def test_an_mfa_token_lives_five_minutes(client, make_user, wait):
    user = make_user(factors=["totp"])
    question = client.log_in(user)
    wait(seconds=301)

    answer = client.post("/auth/login/mfa", step(question, user.totp()))

    assert (answer.status_code, answer.json["code"]) == (401, "invalid_code")


def test_five_wrong_codes_end_the_login_and_shut_the_door_for_a_while(app, client, make_user, wait):
    user = make_user(factors=["totp"])
    question = client.log_in(user)
    wrong = [client.post("/auth/login/mfa", step(question, "000000")) for _ in range(6)]

    assert [a.status_code for a in wrong] == [401] * 6
    assert client.post("/auth/login/mfa", step(question, user.totp())).status_code == 401
    shut = client.post("/auth/login/mfa", step(client.log_in(user), user.totp()))
    assert (shut.status_code, shut.json["code"]) == (429, "too_many_attempts")
    assert len(audited(app, "factor.failed")) == 5
    wait(seconds=31)
    assert client.second_step(user, client.log_in(user))["status"] == "authenticated"


@pytest.mark.requirement("MF-06")
@pytest.mark.requirement("RL-03")
def test_a_thousand_guesses_are_mostly_not_evaluated_and_the_owner_gets_in(app, client, make_user):
    """Over new logins, re-sends, addresses and all factors that have a code."""
    user = make_user(factors=["totp"])
    mine = client.as_(client.renew(user.tokens))
    begun = mine.post("/auth/mfa/factors", {"kind": "email"}).json
    code = {"code": sent.code_of(client, user, "email")}
    assert mine.post(f"/auth/mfa/factors/{begun['id']}/confirm", code).status_code == 200
    device = client.second_step(user, client.log_in(user))["device_token"]
    kinds, told = ("totp", "email", "recovery_codes"), []
    for number in range(200):
        sender = {"environ_overrides": {"REMOTE_ADDR": f"10.{number // 4}.{number % 4}.1"}}
        form = {"identifier": user.email, "password": PASSWORD}
        question = client.post("/auth/login", form, **sender).json
        asked = {"mfa_token": question["mfa_token"], "factor_id": begun["id"]}
        assert client.post("/auth/login/mfa/challenge", asked, **sender).status_code == 200
        for guess in range(5):
            kind = kinds[(number + guess) % 3]
            form = step(question, f"{guess:06}") | {"factor": kind}
            told.append((kind, client.post("/auth/login/mfa", form, **sender).status_code))

    assert len(told) == 1000
    assert {status for _, status in told} == {401, 429}
    assert {kind for kind, status in told if status == 401} == set(kinds)
    evaluated = len(audited(app, "factor.failed"))
    assert 50 < evaluated <= 100  # decision 23: all strangers together
    stranger = step(client.log_in(user), user.totp(1))
    assert client.post("/auth/login/mfa", stranger).status_code == 429
    form = step(client.log_in(user), user.recovery_codes[0]) | {"factor": "recovery_codes"}
    known = {"X-Device-Token": device}
    assert client.post("/auth/login/mfa", form, headers=known).status_code == 200


@pytest.mark.requirement("MF-06")
def test_the_right_password_does_not_reset_the_guesses(client, make_user):
    user = make_user(factors=["totp"])

    told = []
    for _ in range(7):
        question = client.log_in(user)
        told.append(client.post("/auth/login/mfa", step(question, "000000")).status_code)

    assert told == [401] * 5 + [429] * 2


def test_a_login_that_waits_ends_when_the_password_changes(client, make_user):
    user = make_user(factors=["totp"])
    question = client.log_in(user)
    signed_in = client.as_(client.second_step(user, client.log_in(user)))
    form = {"current_password": PASSWORD, "password": "another long phrase instead"}
    assert signed_in.post("/auth/password/change", form).status_code == 204

    form = step(question, user.recovery_codes[0]) | {"factor": "recovery_codes"}

    assert client.post("/auth/login/mfa", form).status_code == 401


def test_the_second_step_follows_the_transport_of_the_first(browser_client, client, make_user):
    user = make_user(factors=["totp"])
    form = {"identifier": user.email, "password": PASSWORD, "transport": "cookie"}
    question = browser_client.post("/auth/login", form)
    assert question.headers.getlist("Set-Cookie") == []

    held = browser_client.held(
        browser_client.post("/auth/login/mfa", step(question.json, user.totp()))
    )

    assert held.keys() == {"status", "expires_in", "csrf_token", "user"}
    assert browser_client.as_(held).get("/auth/me").status_code == 200


def test_secrets_are_sealed_and_never_shown_again(app, client, make_user):
    user = make_user(factors=["totp"])
    tokens = client.second_step(user, client.log_in(user))

    listed = client.as_(tokens).get("/auth/mfa/factors")

    assert user.secret not in listed.text
    assert {item["kind"] for item in listed.json["items"]} == {"totp", "recovery_codes"}
    assert all(user.secret.encode() not in row.data for row in rows(app, Credential))


def test_the_password_is_locked_before_the_login_that_waits_as_by_whoever_changes_it(
    app, client, make_user
):
    """In the other order the two would wait for each other."""
    user = make_user(factors=["totp"])
    question = client.log_in(user)

    sent = sent_by(app, partial(client.second_step, user, question))

    held = [number for number, text in enumerate(sent) if "FROM passwords" in text]
    used = [n for n, text in enumerate(sent) if text.startswith("UPDATE challenges SET used_at")]
    assert (len(held), len(used)) == (1, 1)
    assert held < used


@pytest.mark.requirement("RG-04")
def test_a_password_that_was_replaced_after_the_first_step_gets_no_session_and_no_trust(
    app, client, make_user
):
    """Somebody chose it by mail at that moment; the factor was not proved beside it."""
    user = make_user(factors=["totp"])
    question = client.log_in(user)
    with app.app_context():
        changed = sa.update(Password).values(changed_at=clock.now(), chosen_by="email")
        db.session.execute(changed)
        db.session.commit()

    form = {"mfa_token": question["mfa_token"], "factor": "totp", "code": user.totp()}
    answer = client.post("/auth/login/mfa", form)

    assert answer.status_code == 401
    assert rows(app, Password)[0].chosen_by == "email"
