"""Who must have a second factor sets one up by the first step alone for a while, and then no more.

After that the mailbox has to be proved as well, or an operator helps. Nobody is locked out.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

import config
from gatehouse.cli import serve
from gatehouse.database.session import db, writing
from gatehouse.mfa import grace_period
from models import Credential, Role, Session, UserRole
from models import User as Account
from tests.client import PASSWORD, User
from tests.letters import letter, token_of
from tests.mfa import otp
from tests.rows import audited, rows
from tests.together import at_once

STEP = "/auth/login/mfa"
NEW = "another long phrase instead"
pytestmark = pytest.mark.requirement("MF-01")
required = pytest.mark.settings(GATEHOUSE_MFA="required")
no_mail = pytest.mark.settings(GATEHOUSE_FACTORS="totp,recovery_codes")


@pytest.fixture
def noted(app):
    """A service that has started once with its policy."""
    with app.app_context():
        serve.prepare()


@pytest.fixture
def ada(noted, make_user):
    return make_user(email="ada@example.com")


def appoint(app):
    """Make the one account an administrator's."""
    with app.app_context():
        db.session.add(UserRole(user_id=rows(app, Account)[0].id, role="admin"))
        db.session.commit()


def log_in(client, user):
    """Return what somebody is told who has the password and nothing else."""
    answer = client.post("/auth/login", {"identifier": user.email, "password": user.password})
    return answer.json.get("code") or answer.json["status"]


def offer_of(question):
    [offer] = question["factors"]
    return offer


def prove_mailbox(client, user, question):
    """Prove the mailbox in a login that asks for it; return the answer."""
    assert otp.ask(client, question, offer_of(question)).status_code == 200
    return client.post(STEP, otp.step(question, "email", otp.code_of(client, user, "email")))


def enrol_totp(client, user, token):
    """Set an app up in a login; return the answer."""
    begun = client.post(f"{STEP}/enrolment", {"mfa_token": token, "kind": "totp"})
    if begun.status_code != 201:
        return begun
    user.secret = begun.json["secret"]
    form = {"mfa_token": token, "factor_id": begun.json["id"], "code": user.totp()}
    return client.post(f"{STEP}/enrolment/confirm", form)


@required
@pytest.mark.stores
def test_the_first_step_sets_a_factor_up_for_two_weeks_and_then_asks_for_the_mailbox(
    app, client, ada, wait
):
    wait(days=13, hours=23)
    within = client.log_in(ada)
    wait(hours=2)

    after = client.log_in(ada)

    assert within["status"] == "mfa_enrolment_required"
    assert after["status"] == "mfa_required"
    assert offer_of(after).keys() == {"id", "kind", "label"}
    assert offer_of(after)["kind"] == "email"
    proved = prove_mailbox(client, ada, after)
    assert proved.json["status"] == "mfa_enrolment_required"
    assert rows(app, Session) == []
    assert rows(app, Credential) == []
    enrolled = enrol_totp(client, ada, proved.json["mfa_token"])
    assert (enrolled.status_code, enrolled.json["status"]) == (200, "authenticated")
    assert [row.acr for row in rows(app, Session)] == ["aal2"]
    assert log_in(client, ada) == "mfa_required"


@required
def test_who_has_the_password_alone_cannot_set_a_factor_up_any_more(app, client, ada, wait):
    wait(days=15)
    question = client.log_in(ada)
    token = question["mfa_token"]

    tried = [
        enrol_totp(client, ada, token),
        client.post(STEP, otp.step(question, "email", "000000")),
        client.post(STEP, otp.step(question, "totp", "000000")),
        client.post(STEP, {"mfa_token": token, "factor_id": ada.email, "code": "000000"}),
    ]
    otp.ask(client, question, offer_of(question))
    guessed = client.post(STEP, otp.step(question, "email", "000000"))

    assert [answer.status_code for answer in (*tried, guessed)] == [401, 401, 401, 422, 401]
    assert rows(app, Credential) == rows(app, Session) == []
    assert len(audited(app, "factor.failed")) == 1
    assert "notice_attempts" in [mail["template"] for mail in client.mailbox(to=ada.email)]


@required
def test_it_passes_though_nobody_signs_in_and_signing_in_does_not_begin_it_anew(client, ada, wait):
    wait(days=15)
    assert log_in(client, ada) == "mfa_required"

    wait(days=1)

    assert log_in(client, ada) == "mfa_required"


@required
def test_nothing_that_its_owner_can_do_begins_it_anew(client, ada, wait):
    wait(days=15)
    client.post("/auth/password/forgot", {"email": ada.email})
    form = {"email": ada.email, "code": letter(client, ada.email)["code"], "password": NEW}
    assert client.post("/auth/password/reset", form).status_code == 204
    ada.password = NEW

    assert log_in(client, ada) == "mfa_required"


@required
def test_who_comes_later_has_as_long(client, ada, make_user, wait):
    wait(days=15)
    later = make_user(email="later@example.com")

    assert log_in(client, later) == "mfa_enrolment_required"
    wait(days=15)
    assert log_in(client, later) == "mfa_required"


@pytest.fixture
def policy(app):
    """Start the service with another policy: policy(mfa="off")."""

    def start(**changed):
        app.extensions["gatehouse.settings"] = replace(config.settings_of(app), **changed)
        with app.app_context():
            serve.prepare()

    return start


@no_mail
@pytest.mark.settings(GATEHOUSE_MFA="required_for_roles")
@pytest.mark.parametrize("between", ["off", "required"])
def test_no_other_policy_begins_it_anew_for_whom_one_wanted_a_factor_of(
    app, client, ada, wait, policy, between
):
    appoint(app)
    wait(days=400)
    over = log_in(client, ada)
    policy(mfa=between)
    wait(days=1)

    policy(mfa="required")

    assert [over, log_in(client, ada)] == ["mfa_grace_over"] * 2


@no_mail
@required
def test_a_policy_for_roles_after_one_for_all_begins_nothing_anew(app, client, ada, wait, policy):
    appoint(app)
    wait(days=400)

    policy(mfa="required_for_roles")

    assert log_in(client, ada) == "mfa_grace_over"


@no_mail
@pytest.mark.settings(GATEHOUSE_MFA="required_for_roles")
def test_a_policy_for_all_begins_with_it_for_whom_none_was_for(client, ada, wait, policy):
    wait(days=400)

    policy(mfa="required")

    assert log_in(client, ada) == "mfa_enrolment_required"
    wait(days=15)
    assert log_in(client, ada) == "mfa_grace_over"


@pytest.mark.settings(GATEHOUSE_MFA="required_for_roles")
def test_who_is_given_a_role_has_as_long_from_then_on(app, client, ada, wait):
    wait(days=15)
    appoint(app)

    assert log_in(client, ada) == "mfa_enrolment_required"
    wait(days=15)
    assert log_in(client, ada) == "mfa_required"


def test_where_nobody_needs_a_factor_nothing_is_noted_and_nothing_ends(app, client, ada, wait):
    wait(days=15)

    assert log_in(client, ada) == "authenticated"
    assert [role.mfa_wanted_at for role in rows(app, Role)] == [None, None]


@required
def test_it_begins_when_the_service_starts_with_the_policy_and_once(app, noted, wait):
    [first] = [role.mfa_wanted_at for role in rows(app, Role) if role.mfa_wanted_at]
    wait(days=1)
    with app.app_context():
        serve.prepare()

    assert [(role.name, role.mfa_wanted_at) for role in rows(app, Role)] == [
        ("admin", None),
        ("user", first),
    ]


@required
def test_a_policy_that_nobody_has_noted_begins_with_the_first_login(app, client, make_user, wait):
    user = make_user()
    with app.app_context():
        db.session.execute(sa.update(Account).values(created_at=sa.func.now()))
        db.session.commit()

    assert log_in(client, user) == "mfa_enrolment_required"
    wait(days=15)
    assert log_in(client, user) == "mfa_required"


@pytest.mark.settings(GATEHOUSE_MFA="required", GATEHOUSE_MFA_GRACE="0")
def test_without_a_grace_the_mailbox_is_proved_from_the_beginning(client, ada):
    question = client.log_in(ada)

    proved = prove_mailbox(client, ada, question)

    assert question["status"] == "mfa_required"
    assert enrol_totp(client, ada, proved.json["mfa_token"]).status_code == 200


@required
@no_mail
def test_where_no_code_can_be_mailed_an_operator_helps(app, client, ada, wait):
    wait(days=15)
    refused = client.post("/auth/login", {"identifier": ada.email, "password": PASSWORD})
    wrong = client.post("/auth/login", {"identifier": ada.email, "password": NEW})

    ran = app.test_cli_runner().invoke(args=["users", "renew-mfa", ada.email])

    assert (refused.status_code, refused.json["code"]) == (403, "mfa_grace_over")
    assert (wrong.status_code, wrong.json["code"]) == (401, "invalid_credentials")
    assert ran.exit_code == 0
    assert f"{ada.email} may set up a second factor until " in ran.output
    assert log_in(client, ada) == "mfa_enrolment_required"
    assert len(audited(app, "factor.grace_renewed")) == 1
    wait(days=15)
    assert log_in(client, ada) == "mfa_grace_over"


@no_mail
@pytest.mark.settings(GATEHOUSE_MFA="required", GATEHOUSE_MFA_GRACE="0")
def test_an_operator_gives_a_day_at_the_least(app, client, ada, wait):
    assert log_in(client, ada) == "mfa_grace_over"
    app.test_cli_runner().invoke(args=["users", "renew-mfa", ada.email])

    wait(hours=23)
    assert log_in(client, ada) == "mfa_enrolment_required"
    wait(hours=2)
    assert log_in(client, ada) == "mfa_grace_over"


def test_nobody_without_an_account_is_given_time(app):
    ran = app.test_cli_runner().invoke(args=["users", "renew-mfa", "nobody@example.com"])

    assert ran.exit_code == 1
    assert "nobody@example.com has no account." in ran.output


@required
@pytest.mark.parametrize("proof", ["token", "code"])
def test_who_comes_by_the_mailbox_has_not_proved_anything_else(app, client, ada, wait, proof):
    wait(days=15)
    token = client.post("/auth/login/link", {"email": ada.email}).json["login_token"]
    mail = letter(client, ada.email)
    secret = mail["code"] if proof == "code" else token_of(mail["link"])

    answer = client.post("/auth/login/link/verify", {"login_token": token, proof: secret})

    assert (answer.status_code, answer.json["code"]) == (403, "mfa_grace_over")
    assert rows(app, Session) == []
    assert len(audited(app, "risk.judged")) == len(audited(app, "login.refused")) == 1


@required
@pytest.mark.stores
@pytest.mark.requirement("MF-02")
def test_the_mailed_code_works_once_also_when_posted_twenty_times_at_once(app, client, ada, wait):
    wait(days=15)
    question = client.log_in(ada)
    otp.ask(client, question, offer_of(question))
    form = otp.step(question, "email", otp.code_of(client, ada, "email"))

    answers = client.in_parallel(20, STEP, form)

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    assert client.post(STEP, form).status_code == 401


@required
def test_who_has_set_a_factor_up_meanwhile_is_asked_for_that(app, client, ada, wait):
    wait(days=15)
    waiting = client.log_in(ada)
    otp.ask(client, waiting, offer_of(waiting))
    code = otp.code_of(client, ada, "email")
    proved = prove_mailbox(client, ada, client.log_in(ada))
    assert enrol_totp(client, ada, proved.json["mfa_token"]).status_code == 200

    answer = client.post(STEP, otp.step(waiting, "email", code))

    assert (answer.status_code, answer.json["code"]) == (401, "invalid_code")
    assert len(rows(app, Session)) == 1


@required
def test_a_mail_that_was_asked_for_in_one_login_is_worth_nothing_in_another(client, ada, wait):
    wait(days=15)
    one, other = client.log_in(ada), client.log_in(ada)
    otp.ask(client, one, offer_of(one))
    code = otp.code_of(client, ada, "email")

    assert otp.ask(client, other, offer_of(one)).status_code == 401
    assert client.post(STEP, otp.step(other, "email", code)).status_code == 401


@required
@pytest.mark.requirement("RL-07")
def test_a_wrong_password_is_told_the_same_before_and_after_and_of_nobody(client, ada, wait):
    told = []
    for days in (0, 15):
        wait(days=days)
        for email in (ada.email, "nobody@example.com"):
            told.append(log_in(client, User(email, "a wrong password")))

    assert told == ["invalid_credentials"] * 4


@required
@pytest.mark.stores
def test_twenty_replicas_that_start_at_once_note_the_policy_once(app, wait):
    def start():
        with app.app_context():
            with writing():
                grace_period.begin()
            db.session.commit()

    at_once(*[start] * 20)
    noted = {role.name: role.mfa_wanted_at for role in rows(app, Role)}
    wait(hours=1)
    at_once(*[start] * 20)

    assert noted["user"]
    assert {role.name: role.mfa_wanted_at for role in rows(app, Role)} == noted
