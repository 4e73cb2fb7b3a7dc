"""A stolen SIM, or a mailbox, is one factor: also with a password that was reset with it."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from gatehouse.core import clock
from gatehouse.database.session import db
from models import Credential, OneTimeCode, Password
from models import User as Account
from tests.account.conftest import (
    ADA,
    NEW,
    NUMBER,
    THIRD,
    read_messages,
    request_reset,
    request_reset_mail,
    reset_password,
    status_and_code,
)
from tests.client import User
from tests.mail_links import read_mail
from tests.mfa import otp
from tests.mfa.recovery import (
    count_pending_resets,
    request_recovery,
    run_cleanup,
    verify_recovery,
)
from tests.rows import rows
from tests.sessions.token_responses import token_claims

NOT_INDEPENDENT = (403, "proofs_not_independent")
STEP_UP = (401, "insufficient_user_authentication")


@pytest.fixture
def ada(client, make_user):
    """A user with a verified number; without factors."""
    user = make_user(email=ADA)
    client.log_in(user)
    otp.verify_phone(client, user)
    return user


def reset_by_sms(client):
    """Reset the password with the phone; return the user as the thief knows them."""
    assert request_reset(client, phone=NUMBER).status_code == 202
    code = read_messages(client, NUMBER, "sms_reset")[0]["code"]
    assert reset_password(client, NEW, phone=NUMBER, code=code).status_code == 204
    return User(ADA, NEW)


def claims_of(tokens):
    claims = token_claims(tokens, "access_token")
    return claims["acr"], claims["amr"]


def step_up(client, tokens, **response):
    answer = client.as_(tokens).post("/auth/reauthenticate", response)
    return client.read_tokens(answer)


@pytest.mark.requirement("MF-12")
@pytest.mark.requirement("RG-04")
def test_stolen_sim_does_not_get_past_an_authenticator_app(app, client, ada):
    factor = otp.enrol_factor(client, ada, "sms")
    ada.tokens = client.renew(ada.tokens)
    client.enrol_totp(ada)
    thief = reset_by_sms(client)

    challenge = client.log_in(thief)
    sent = otp.request_challenge(client, challenge, factor)
    form = otp.second_step_form(challenge, "sms", "000000")

    assert [offered["kind"] for offered in challenge["factors"]] == ["totp", "recovery_codes"]
    assert status_and_code(sent) == status_and_code(client.post("/auth/login/mfa", form))
    assert status_and_code(sent) == (401, "invalid_code")
    owner = client.complete_mfa(User(ADA, NEW, secret=ada.secret), challenge)
    assert claims_of(owner)[0] == "aal2"
    assert rows(app, Password)[0].set_via is None


@pytest.mark.requirement("MF-12")
def test_sms_login_and_a_password_set_by_sms_are_one_factor(client, ada):
    reset_by_sms(client)
    sent = client.post("/auth/login/link", {"phone": NUMBER}).json
    code = {"login_token": sent["login_token"], "code": read_mail(client, NUMBER)["code"]}
    tokens = client.read_tokens(client.post("/auth/login/link/verify", code))

    tokens = step_up(client, tokens, password=NEW)

    assert claims_of(tokens) == ("aal1", ["pwd"])


@pytest.mark.requirement("MF-12")
def test_sms_factor_beside_a_password_set_by_sms_steps_up_nothing(app, client, ada, wait):
    thief = reset_by_sms(client)
    wait(hours=1)  # the SMS to one number are limited
    factor = otp.enrol_factor(client, thief, "sms")
    tokens = client.renew(thief.tokens)
    signed_in = client.as_(tokens)

    after_enrolment = claims_of(tokens)
    signed_in.post("/auth/reauthenticate/challenge", {"factor_id": factor["id"]})
    code = otp.read_code(client, ada, "sms")
    tokens = step_up(client, tokens, factor="sms", code=code)
    removal = client.as_(tokens).delete(f"/auth/mfa/factors/{factor['id']}")

    assert after_enrolment == claims_of(tokens) == ("aal1", ["pwd", "sms"])
    assert status_and_code(removal) == STEP_UP
    confirmed = step_up(client, tokens, factor="recovery_codes", code=thief.recovery_codes[0])
    assert claims_of(confirmed) == ("aal2", ["pwd", "recovery", "mfa"])
    assert rows(app, Password)[0].set_via is None


@pytest.mark.requirement("MF-12")
@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_mandatory_enrolment_offers_no_factor_of_the_channel_that_set_the_password(
    app, client, make_user
):
    make_user(email=ADA, phone=NUMBER)
    with app.app_context():
        db.session.execute(sa.update(Account).values(phone_verified_at=clock.now()))
        db.session.commit()

    response = client.log_in(reset_by_sms(client))

    assert response["status"] == "mfa_enrolment_required"
    assert response["kinds"] == ["totp", "passkey"]


# A user who has nothing else


@pytest.fixture
def stuck(app, client, ada, wait):
    """A user whose only factor is SMS, and whose password was reset by SMS."""
    otp.enrol_factor(client, ada, "sms")
    wait(days=4)
    return reset_by_sms(client)


@pytest.mark.requirement("RG-04")
def test_response_names_the_ways_out_for_a_user_with_only_a_sms_factor_after_a_reset_by_sms(
    client, stuck
):
    challenge = client.log_in(stuck)

    assert challenge["factors"] == [{"kind": "recovery_codes"}]
    for way in ("recovery code", "reset your password by e-mail", "/auth/mfa/recovery", "72 hours"):
        assert way in challenge["next"]


def test_user_with_only_a_sms_factor_signs_in_after_another_reset_by_email(client, ada, stuck):
    reset_password(client, THIRD, token=request_reset_mail(client)["token"])
    challenge = client.log_in(replace(stuck, password=THIRD))
    [factor] = [offered for offered in challenge["factors"] if offered["kind"] == "sms"]
    otp.request_challenge(client, challenge, factor)

    form = otp.second_step_form(challenge, "sms", otp.read_code(client, ada, "sms"))

    assert claims_of(client.read_tokens(client.post("/auth/login/mfa", form)))[0] == "aal2"


@pytest.mark.requirement("RG-04")
def test_recovery_after_a_reset_by_sms_takes_an_email_and_72_hours(app, client, stuck, wait):
    by_sms = verify_recovery(client, request_recovery(client, phone=NUMBER), password=NEW)
    by_email = verify_recovery(client, request_recovery(client), password=NEW)

    assert status_and_code(by_sms) == NOT_INDEPENDENT
    assert status_and_code(by_email) == (200, "announced")
    [scheduled] = [row for row in rows(app, OneTimeCode, purpose="mfa_reset") if not row.used_at]
    assert scheduled.user_id == rows(app, Account)[0].id
    assert read_messages(client, ADA, "notice_mfa_reset")
    wait(hours=71)
    run_cleanup(app)
    assert len(rows(app, Credential)) == 2
    wait(hours=1, seconds=1)
    run_cleanup(app)
    assert rows(app, Credential) == []
    assert client.log_in(stuck)["status"] == "authenticated"


@pytest.mark.requirement("RG-04")
@pytest.mark.parametrize("kind", ["totp", "a kind that is switched off"])
def test_recovery_with_two_messages_never_removes_another_factor(app, client, stuck, kind):
    with app.app_context():
        values = {"kind": kind, "confirmed_at": clock.now()}
        codes = sa.update(Credential).where(Credential.kind == "recovery_codes")
        db.session.execute(codes.values(**values))
        db.session.commit()

    response = verify_recovery(client, request_recovery(client), password=NEW)

    assert status_and_code(response) == NOT_INDEPENDENT
    assert count_pending_resets(app) == 0
