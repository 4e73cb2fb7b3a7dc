"""The grace period: how long a required second factor can be enrolled with the first factor only.

Afterwards the mailbox must be verified as well, or an operator extends the period.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

import config
from gatehouse.authorization import roles
from gatehouse.authorization.permissions import BUILT_IN_ROLES
from gatehouse.cli import serve
from gatehouse.database.session import db, write_transaction
from gatehouse.mfa import grace_period
from models import Credential, Role, Session
from models import User as Account
from tests.client import PASSWORD, User
from tests.mail_links import read_mail, token_of
from tests.mfa import otp
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

STEP = "/auth/login/mfa"
NEW = "another long phrase instead"
pytestmark = pytest.mark.requirement("MF-01")
required = pytest.mark.settings(GATEHOUSE_MFA="required")
no_mail = pytest.mark.settings(GATEHOUSE_FACTORS="totp,recovery_codes")


@pytest.fixture
def policy_recorded(app):
    """Start the service once, so that it records since when the policy applies."""
    with app.app_context():
        serve.prepare_database()


@pytest.fixture
def ada(policy_recorded, make_user):
    """A user without a second factor."""
    return make_user(email="ada@example.com")


def assign_admin_role(app):
    """Give the only user the role `admin`."""
    with app.app_context():
        roles.assign_role(rows(app, Account)[0].id, "admin")
        db.session.commit()


def log_in(client, user):
    """Log in with the password; return the error code, or the status of the login."""
    response = client.post("/auth/login", {"identifier": user.email, "password": user.password})
    return response.json.get("code") or response.json["status"]


def only_factor(challenge):
    [factor] = challenge["factors"]
    return factor


def verify_mailbox(client, user, challenge):
    """Complete a login with the e-mail fallback; return the response."""
    assert otp.request_challenge(client, challenge, only_factor(challenge)).status_code == 200
    return client.post(
        STEP, otp.second_step_form(challenge, "email", otp.read_code(client, user, "email"))
    )


def enrol_totp(client, user, token):
    """Enrol TOTP within a login; return the response."""
    started = client.post(f"{STEP}/enrolment", {"mfa_token": token, "kind": "totp"})
    if started.status_code != 201:
        return started
    user.secret = started.json["secret"]
    form = {"mfa_token": token, "factor_id": started.json["id"], "code": user.totp()}
    return client.post(f"{STEP}/enrolment/confirm", form)


@required
@pytest.mark.stores
def test_enrolment_needs_only_the_first_factor_for_two_weeks_and_then_the_mailbox_too(
    app, client, ada, wait
):
    wait(days=13, hours=23)
    within = client.log_in(ada)
    wait(hours=2)

    after = client.log_in(ada)

    assert within["status"] == "mfa_enrolment_required"
    assert after["status"] == "mfa_required"
    assert only_factor(after).keys() == {"id", "kind", "label"}
    assert only_factor(after)["kind"] == "email"
    verified = verify_mailbox(client, ada, after)
    assert verified.json["status"] == "mfa_enrolment_required"
    assert rows(app, Session) == []
    assert rows(app, Credential) == []
    enrolled = enrol_totp(client, ada, verified.json["mfa_token"])
    assert (enrolled.status_code, enrolled.json["status"]) == (200, "authenticated")
    assert [row.acr for row in rows(app, Session)] == ["aal2"]
    assert log_in(client, ada) == "mfa_required"


@required
def test_enrolment_after_the_grace_period_is_impossible_with_the_password_alone(
    app, client, ada, wait
):
    wait(days=15)
    challenge = client.log_in(ada)
    token = challenge["mfa_token"]

    responses = [
        enrol_totp(client, ada, token),
        client.post(STEP, otp.second_step_form(challenge, "email", "000000")),
        client.post(STEP, otp.second_step_form(challenge, "totp", "000000")),
        client.post(STEP, {"mfa_token": token, "factor_id": ada.email, "code": "000000"}),
    ]
    otp.request_challenge(client, challenge, only_factor(challenge))
    wrong_code = client.post(STEP, otp.second_step_form(challenge, "email", "000000"))

    assert [response.status_code for response in (*responses, wrong_code)] == [
        401,
        401,
        401,
        422,
        401,
    ]
    assert rows(app, Credential) == rows(app, Session) == []
    assert len(audited(app, "factor.failed")) == 1
    assert "notice_attempts" in [mail["template"] for mail in client.mailbox(to=ada.email)]


@required
def test_grace_period_passes_without_logins_and_is_not_restarted_by_one(client, ada, wait):
    wait(days=15)
    assert log_in(client, ada) == "mfa_required"

    wait(days=1)

    assert log_in(client, ada) == "mfa_required"


@required
def test_grace_period_is_not_restarted_by_a_password_reset(client, ada, wait):
    wait(days=15)
    client.post("/auth/password/forgot", {"email": ada.email})
    form = {"email": ada.email, "code": read_mail(client, ada.email)["code"], "password": NEW}
    assert client.post("/auth/password/reset", form).status_code == 204
    ada.password = NEW

    assert log_in(client, ada) == "mfa_required"


@required
def test_grace_period_of_a_later_account_starts_with_the_account(client, ada, make_user, wait):
    wait(days=15)
    later = make_user(email="later@example.com")

    assert log_in(client, later) == "mfa_enrolment_required"
    wait(days=15)
    assert log_in(client, later) == "mfa_required"


@pytest.fixture
def policy(app):
    """Return a function that restarts the service with other settings: `policy(mfa="off")`."""

    def start(**changed):
        app.extensions["gatehouse.settings"] = replace(config.settings_of(app), **changed)
        with app.app_context():
            serve.prepare_database()

    return start


@no_mail
@pytest.mark.settings(GATEHOUSE_MFA="required_for_roles")
@pytest.mark.parametrize("between", ["off", "required"])
def test_grace_period_is_not_restarted_by_a_stricter_policy_for_users_already_covered(
    app, client, ada, wait, policy, between
):
    assign_admin_role(app)
    wait(days=400)
    before = log_in(client, ada)
    policy(mfa=between)
    wait(days=1)

    policy(mfa="required")

    assert [before, log_in(client, ada)] == ["mfa_enrolment_overdue"] * 2


@no_mail
@required
def test_grace_period_is_not_restarted_by_a_policy_for_roles_after_one_for_all(
    app, client, ada, wait, policy
):
    assign_admin_role(app)
    wait(days=400)

    policy(mfa="required_for_roles")

    assert log_in(client, ada) == "mfa_enrolment_overdue"


@no_mail
@pytest.mark.settings(GATEHOUSE_MFA="required_for_roles")
def test_grace_period_starts_with_a_policy_for_users_not_covered_before(client, ada, wait, policy):
    wait(days=400)

    policy(mfa="required")

    assert log_in(client, ada) == "mfa_enrolment_required"
    wait(days=15)
    assert log_in(client, ada) == "mfa_enrolment_overdue"


@pytest.mark.settings(GATEHOUSE_MFA="required_for_roles")
def test_grace_period_starts_with_the_assignment_of_a_role(app, client, ada, wait):
    wait(days=15)
    assign_admin_role(app)

    assert log_in(client, ada) == "mfa_enrolment_required"
    wait(days=15)
    assert log_in(client, ada) == "mfa_required"


def test_grace_period_is_not_recorded_where_no_factor_is_required(app, client, ada, wait):
    wait(days=15)

    assert log_in(client, ada) == "authenticated"
    assert {role.mfa_required_since for role in rows(app, Role)} == {None}


@required
def test_grace_period_starts_with_the_first_start_under_the_policy_only(app, policy_recorded, wait):
    [first] = [role.mfa_required_since for role in rows(app, Role) if role.mfa_required_since]
    wait(days=1)
    with app.app_context():
        serve.prepare_database()

    since = {role.name: role.mfa_required_since for role in rows(app, Role)}
    assert since == dict.fromkeys(BUILT_IN_ROLES) | {"user": first}


@required
def test_grace_period_starts_with_the_first_login_if_no_start_was_recorded(
    app, client, make_user, wait
):
    user = make_user()
    with app.app_context():
        db.session.execute(sa.update(Account).values(created_at=sa.func.now()))
        db.session.commit()

    assert log_in(client, user) == "mfa_enrolment_required"
    wait(days=15)
    assert log_in(client, user) == "mfa_required"


@required
def test_grace_period_of_an_old_account_starts_with_the_first_login_too(
    app, client, make_user, wait
):
    user = make_user()
    wait(days=100)

    assert log_in(client, user) == "mfa_enrolment_required"
    [since] = [role.mfa_required_since for role in rows(app, Role) if role.mfa_required_since]
    wait(days=15)
    assert log_in(client, user) == "mfa_required"
    assert [role.mfa_required_since for role in rows(app, Role) if role.mfa_required_since] == [
        since
    ]


@pytest.mark.settings(GATEHOUSE_MFA="required", GATEHOUSE_MFA_GRACE_PERIOD="0")
def test_grace_period_of_zero_requires_the_mailbox_from_the_beginning(client, ada):
    challenge = client.log_in(ada)

    verified = verify_mailbox(client, ada, challenge)

    assert challenge["status"] == "mfa_required"
    assert enrol_totp(client, ada, verified.json["mfa_token"]).status_code == 200


@required
@no_mail
def test_grace_period_is_extended_by_an_operator_where_no_code_can_be_mailed(
    app, client, ada, wait
):
    wait(days=15)
    overdue = client.post("/auth/login", {"identifier": ada.email, "password": PASSWORD})
    wrong = client.post("/auth/login", {"identifier": ada.email, "password": NEW})

    command = app.test_cli_runner().invoke(args=["users", "extend-mfa-grace", ada.email])

    assert (overdue.status_code, overdue.json["code"]) == (403, "mfa_enrolment_overdue")
    assert (wrong.status_code, wrong.json["code"]) == (401, "invalid_credentials")
    assert command.exit_code == 0
    assert f"{ada.email} can enrol a second factor until " in command.output
    assert log_in(client, ada) == "mfa_enrolment_required"
    assert len(audited(app, "factor.grace_extended")) == 1
    wait(days=15)
    assert log_in(client, ada) == "mfa_enrolment_overdue"


@no_mail
@pytest.mark.settings(GATEHOUSE_MFA="required", GATEHOUSE_MFA_GRACE_PERIOD="0")
def test_grace_period_extension_lasts_a_day_at_least(app, client, ada, wait):
    assert log_in(client, ada) == "mfa_enrolment_overdue"
    app.test_cli_runner().invoke(args=["users", "extend-mfa-grace", ada.email])

    wait(hours=23)
    assert log_in(client, ada) == "mfa_enrolment_required"
    wait(hours=2)
    assert log_in(client, ada) == "mfa_enrolment_overdue"


def test_grace_period_extension_needs_an_account(app):
    command = app.test_cli_runner().invoke(
        args=["users", "extend-mfa-grace", "unknown@example.com"]
    )

    assert command.exit_code == 1
    assert "unknown@example.com has no account." in command.output


@required
@pytest.mark.parametrize("field", ["token", "code"])
def test_login_link_does_not_open_a_session_after_the_grace_period(app, client, ada, wait, field):
    wait(days=15)
    token = client.post("/auth/login/link", {"email": ada.email}).json["login_token"]
    mail = read_mail(client, ada.email)
    secret = mail["code"] if field == "code" else token_of(mail["link"])

    response = client.post("/auth/login/link/verify", {"login_token": token, field: secret})

    assert (response.status_code, response.json["code"]) == (403, "mfa_enrolment_overdue")
    assert rows(app, Session) == []
    assert len(audited(app, "risk.assessed")) == len(audited(app, "login.refused")) == 1


@required
@pytest.mark.stores
@pytest.mark.requirement("MF-02")
def test_fallback_code_works_once_in_twenty_parallel_requests(app, client, ada, wait):
    wait(days=15)
    challenge = client.log_in(ada)
    otp.request_challenge(client, challenge, only_factor(challenge))
    form = otp.second_step_form(challenge, "email", otp.read_code(client, ada, "email"))

    responses = client.in_parallel(20, STEP, form)

    assert sorted(response.status_code for response in responses) == [200] + [401] * 19
    assert client.post(STEP, form).status_code == 401


@required
def test_fallback_code_is_not_accepted_after_a_factor_was_enrolled(app, client, ada, wait):
    wait(days=15)
    pending = client.log_in(ada)
    otp.request_challenge(client, pending, only_factor(pending))
    code = otp.read_code(client, ada, "email")
    verified = verify_mailbox(client, ada, client.log_in(ada))
    assert enrol_totp(client, ada, verified.json["mfa_token"]).status_code == 200

    response = client.post(STEP, otp.second_step_form(pending, "email", code))

    assert (response.status_code, response.json["code"]) == (401, "invalid_code")
    assert len(rows(app, Session)) == 1


@required
def test_fallback_code_of_one_login_is_not_accepted_in_another(client, ada, wait):
    wait(days=15)
    one, other = client.log_in(ada), client.log_in(ada)
    otp.request_challenge(client, one, only_factor(one))
    code = otp.read_code(client, ada, "email")

    assert otp.request_challenge(client, other, only_factor(one)).status_code == 401
    assert client.post(STEP, otp.second_step_form(other, "email", code)).status_code == 401


@required
def test_wrong_password_gets_the_same_error_before_and_after_the_grace_period(client, ada, wait):
    codes = []
    for days in (0, 15):
        wait(days=days)
        for email in (ada.email, "unknown@example.com"):
            codes.append(log_in(client, User(email, "a wrong password")))

    assert codes == ["invalid_credentials"] * 4


@required
@pytest.mark.stores
def test_policy_start_is_recorded_once_by_twenty_parallel_starts(app, wait):
    def start():
        with app.app_context():
            with write_transaction():
                grace_period.note_policy_start()
            db.session.commit()

    run_in_parallel(*[start] * 20)
    recorded = {role.name: role.mfa_required_since for role in rows(app, Role)}
    wait(hours=1)
    run_in_parallel(*[start] * 20)

    assert recorded["user"]
    assert {role.name: role.mfa_required_since for role in rows(app, Role)} == recorded
