"""The second step of a login: what it checks besides the factor, and what it counts."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from gatehouse.core import clock, crypto
from gatehouse.database.session import db
from gatehouse.mfa import reset, verification
from gatehouse.mfa.factor import FactorResponse, SecondFactorResponse
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import service as users
from gatehouse.users.administration import UserChange
from gatehouse.web.request_context import NO_REQUEST
from models import Credential, Password, Session
from models import User as Account
from tests.client import PASSWORD
from tests.rows import rows


def disable_users(app):
    with app.app_context():
        db.session.execute(sa.update(Account).values(disabled_at=clock.now()))
        db.session.commit()


def verify(client, challenge, code, **factor):
    form = {"mfa_token": challenge["mfa_token"], "code": code, **(factor or {"factor": "totp"})}
    return client.post("/auth/login/mfa", form)


def test_second_step_discloses_a_disabled_account_only_after_the_correct_code(
    app, client, make_user
):
    user = make_user(factors=["totp"])
    first, second = client.log_in(user), client.log_in(user)
    before = len(rows(app, Session))
    disable_users(app)

    wrong, right = verify(client, first, "000000"), verify(client, second, user.totp())

    assert (wrong.status_code, wrong.json["code"]) == (401, "invalid_code")
    assert (right.status_code, right.json["code"]) == (403, "account_disabled")
    assert len(rows(app, Session)) == before


@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_enrolment_of_an_account_that_is_disabled_meanwhile_opens_no_session(
    app, client, make_user
):
    user = make_user()
    token = {"mfa_token": client.log_in(user)["mfa_token"]}
    factor = client.post("/auth/login/mfa/enrolment", {"kind": "totp", **token}).json
    user.secret = factor["secret"]
    disable_users(app)

    form = {"factor_id": factor["id"], "code": user.totp(), **token}
    response = client.post("/auth/login/mfa/enrolment/confirm", form)

    assert (response.status_code, response.json["code"]) == (403, "account_disabled")
    assert rows(app, Session) == []


@pytest.mark.requirement("MF-06")
def test_second_step_does_not_count_a_code_that_was_used_before(client, make_user):
    """A client that repeats a request with a correct code does not lock its user out."""
    user = make_user(factors=["totp"])
    code = user.recovery_codes[0]
    verify(client, client.log_in(user), code, factor="recovery_codes")

    repeated = [
        verify(client, client.log_in(user), code, factor="recovery_codes").status_code
        for _ in range(7)
    ]

    assert repeated == [401] * 7
    assert verify(client, client.log_in(user), user.totp()).status_code == 200


def test_second_step_accepts_the_code_of_the_named_factor_only(client, make_user):
    user = make_user(factors=["totp"])
    user.tokens = client.renew(user.tokens)  # the session stepped up with the first factor
    client.enrol_totp(user, "Tablet")
    phone, tablet = (factor["id"] for factor in client.log_in(user)["factors"][:2])

    other = verify(client, client.log_in(user), user.totp(), factor_id=phone)
    named = verify(client, client.log_in(user), user.totp(), factor_id=tablet)

    assert (other.status_code, named.status_code) == (401, 200)


def test_second_step_completes_a_login_once_also_with_another_factor(app, client, make_user):
    user = make_user(factors=["totp"])
    challenge = client.log_in(user)
    first = verify(client, challenge, user.totp())
    before = len(rows(app, Session))

    again = verify(client, challenge, user.recovery_codes[0], factor="recovery_codes")

    assert (first.status_code, again.status_code) == (200, 401)
    assert len(rows(app, Session)) == before


def test_second_step_by_factor_id_needs_the_response_of_that_kind(client, make_user):
    user = make_user(factors=["totp"])
    challenge = client.log_in(user)
    form = {"mfa_token": challenge["mfa_token"], "factor_id": challenge["factors"][0]["id"]}

    response = client.post("/auth/login/mfa", form | {"credential": {"id": "x"}})

    assert response.status_code == 422


def test_second_step_is_required_on_a_trusted_device_while_a_reset_is_pending(
    app, client, make_user
):
    """Verifying a factor aborts a reset that an attacker has confirmed."""
    user = make_user(factors=["totp"])
    tokens = client.complete_mfa(user, client.log_in(user), remember_device=True)
    device = {"X-Device-Token": tokens["device_token"]}
    form = {"identifier": user.email, "password": user.password}
    trusted = client.post("/auth/login", form, headers=device).json["status"]

    with app.app_context():
        reset.schedule_by_operator(UserChange(users.find_user(user.email).id, NO_REQUEST))
        db.session.commit()

    assert trusted == "authenticated"
    assert client.post("/auth/login", form, headers=device).json["status"] == "mfa_required"


def test_factor_is_selected_from_the_candidates_only(app):
    candidates = [Credential(id=crypto.new_id(), kind="totp")]
    given = SecondFactorResponse("recovery_codes", FactorResponse("123456"))
    by_id = SecondFactorResponse("", FactorResponse("123456"), candidates[0].id)

    with app.app_context():
        assert verification.select_factor(candidates, by_id).kind == "totp"
        for other in (given, replace(by_id, factor_id=crypto.new_id())):
            with pytest.raises(InvalidCode):
                verification.select_factor(candidates, other)


@pytest.mark.stores
def test_password_that_is_flagged_between_the_steps_opens_no_session(app, client, make_user):
    user = make_user(factors=["totp"])
    challenge = client.log_in(user)
    flagged = app.test_cli_runner().invoke(args=["passwords", "flag", user.email])

    response = verify(client, challenge, user.totp())

    assert flagged.exit_code == 0, flagged.output
    assert (response.status_code, response.json["code"]) == (401, "invalid_code")
    assert [session for session in rows(app, Session) if session.ended_at is None] == []


@pytest.mark.stores
def test_flagged_password_does_not_reauthenticate(app, client, make_user):
    mine = client.as_(client.log_in(make_user()))
    with app.app_context():
        db.session.execute(sa.update(Password).values(compromised_at=clock.now()))
        db.session.commit()

    response = mine.post("/auth/reauthenticate", {"password": PASSWORD})

    assert (response.status_code, response.json["code"]) == (403, "password_change_required")
