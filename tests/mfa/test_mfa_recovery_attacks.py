"""Attacks on MFA recovery: an attacker with one authentication method makes it look like two."""

import pytest
import sqlalchemy as sa

from gatehouse.core import clock
from gatehouse.database.session import db
from models import Credential
from models import User as Account
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    NUMBER,
    THIRD,
    change_email,
    read_messages,
    read_revert_token,
    request_reset,
    request_reset_mail,
    reset_password,
    status_and_code,
    verify_phone,
)
from tests.client import PASSWORD, User
from tests.mail_links import token_of
from tests.mfa import otp
from tests.mfa.recovery import (
    count_pending_resets,
    newest_code,
    recover,
    request_recovery,
    run_cleanup,
    verify_recovery,
)
from tests.rows import audited, rows

NOT_INDEPENDENT = (403, "proofs_not_independent")
WRONG = (401, "invalid_code")
SCHEDULED = (200, "announced")


@pytest.fixture
def ada(client, make_user):
    """A user with TOTP who is signed in."""
    user = make_user(email=ADA, factors=["totp"])
    user.tokens = client.renew(user.tokens)  # now with the second factor
    return user


def reset_by_phone(client, password=NEW):
    assert request_reset(client, phone=NUMBER).status_code == 202
    code = read_messages(client, NUMBER, "sms_reset")[0]["code"]
    assert reset_password(client, password, phone=NUMBER, code=code).status_code == 204


def reset_by_mail(client, password=NEW):
    assert (
        reset_password(client, password, token=request_reset_mail(client)["token"]).status_code
        == 204
    )


# Attackers with the mailbox or the phone


@pytest.mark.requirement("RG-04")
def test_recovery_rejects_a_password_that_was_reset_by_email(app, client, ada):
    reset_by_mail(client)

    response = recover(client, password=NEW)

    assert status_and_code(response) == NOT_INDEPENDENT
    assert count_pending_resets(app) == 0
    assert len(audited(app, "mfa_recovery.failed")) == 1


@pytest.mark.requirement("RG-04")
@pytest.mark.parametrize("to", [{"phone": NUMBER}, {"email": ADA}], ids=["sms", "email"])
def test_recovery_rejects_a_password_that_was_reset_by_sms(app, client, ada, wait, to):
    """A phone that was stolen unlocked receives the e-mails, too."""
    verify_phone(client, ada.tokens)
    wait(days=4)
    reset_by_phone(client)

    response = verify_recovery(client, request_recovery(client, **to), password=NEW)

    assert status_and_code(response) == NOT_INDEPENDENT
    assert count_pending_resets(app) == 0


@pytest.mark.requirement("RG-04")
def test_recovery_rejects_a_password_that_was_reset_by_email_after_a_login_with_email_otp(
    app, client, ada
):
    """With e-mail OTP as a weak factor the mailbox alone logs in, but cannot change factors."""
    factor = enrol_email_otp(client, ada)
    reset_by_mail(client)
    challenge = client.log_in(User(ADA, NEW))
    otp.request_challenge(client, challenge, factor)
    form = otp.second_step_form(challenge, "email", otp.read_code(client, ada, "email"))
    session = client.post("/auth/login/mfa", form).json

    change = {"current_password": NEW, "password": THIRD}
    changed = client.as_(session).post("/auth/password/change", change)

    assert status_and_code(changed) == (401, "insufficient_user_authentication")
    assert status_and_code(recover(client, password=NEW)) == NOT_INDEPENDENT
    assert count_pending_resets(app) == 0


def enrol_email_otp(client, user):
    user.tokens = client.complete_mfa(user, client.log_in(user))
    signed_in = client.as_(user.tokens)
    factor = signed_in.post("/auth/mfa/factors", {"kind": "email"}).json
    code = otp.read_code(client, user, "email")
    confirmed = signed_in.post(f"/auth/mfa/factors/{factor['id']}/confirm", {"code": code})
    assert confirmed.status_code == 200
    return factor


@pytest.mark.requirement("RG-04")
def test_recovery_rejects_a_password_that_was_reset_by_sms_and_a_code_by_sms(
    app, client, make_user, wait
):
    user = make_user(email=ADA)
    factor = otp.enrol_factor(client, user, "sms")
    wait(days=4)
    reset_by_phone(client)
    challenge = client.log_in(User(ADA, NEW))
    otp.request_challenge(client, challenge, factor)
    form = otp.second_step_form(challenge, "sms", otp.read_code(client, user, "sms"))
    assert client.post("/auth/login/mfa", form).status_code == 401

    assert (
        status_and_code(
            verify_recovery(client, request_recovery(client, phone=NUMBER), password=NEW)
        )
        == NOT_INDEPENDENT
    )


def test_recovery_accepts_a_reset_password_after_a_login_with_a_strong_factor(app, client, ada):
    reset_by_mail(client)
    ada.password = NEW
    client.complete_mfa(ada, client.log_in(ada))

    assert status_and_code(recover(client, password=NEW)) == SCHEDULED


@pytest.mark.requirement("RG-04")
def test_recovery_rejects_a_reset_password_after_a_login_without_it(client, ada):
    """The attacker chose it; meanwhile the user logs in with a link and TOTP."""
    reset_by_mail(client)
    token = client.post("/auth/login/link", {"email": ADA}).json["login_token"]
    code = read_messages(client, ADA, "login_link")[0]["code"]
    challenge = client.post("/auth/login/link/verify", {"login_token": token, "code": code}).json
    client.complete_mfa(ada, challenge)

    assert status_and_code(recover(client, password=NEW)) == NOT_INDEPENDENT


@pytest.mark.requirement("RG-04")
def test_recovery_rejects_a_compromised_password(app, client, ada):
    assert app.test_cli_runner().invoke(args=["passwords", "flag", ADA]).exit_code == 0

    assert status_and_code(recover(client)) == NOT_INDEPENDENT


@pytest.mark.requirement("RG-04")
def test_recovery_is_impossible_with_an_old_mailbox_that_reverted_the_email_change(
    app, client, ada
):
    change_email(client, ada.tokens)
    assert client.post("/auth/email/undo", {"token": read_revert_token(client)}).status_code == 204
    reset_by_mail(client)

    response = recover(client, password=NEW)

    assert status_and_code(response) == NOT_INDEPENDENT
    assert {row.kind for row in rows(app, Credential)} == {"totp", "recovery_codes"}


@pytest.mark.requirement("RL-03")
def test_recovery_evaluates_no_password_without_a_correct_code(client, ada):
    """Otherwise passwords could be tried here, past the lockout of all other routes."""
    form = request_recovery(client) | {"code": "00000000"}

    correct, wrong = verify_recovery(client, form), verify_recovery(client, form, password=NEW)

    assert [status_and_code(response) for response in (correct, wrong)] == [WRONG] * 2
    assert correct.json["detail"] == wrong.json["detail"]
    assert client.log_in(ada)["status"] == "mfa_required"


# Attackers with a session and the password


@pytest.mark.requirement("RG-04")
def test_recovery_sends_no_code_to_a_new_email(app, client, ada, wait):
    change_email(client, ada.tokens)

    early = request_recovery(client, email=NEW_ADDRESS)
    wait(hours=72, seconds=1)
    late = request_recovery(client, email=NEW_ADDRESS)

    assert status_and_code(verify_recovery(client, early)) == WRONG
    assert len(read_messages(client, NEW_ADDRESS, "mfa_recovery")) == 1
    assert status_and_code(verify_recovery(client, late)) == SCHEDULED


@pytest.mark.requirement("RG-04")
def test_recovery_sends_no_code_to_a_new_number(app, client, ada, wait):
    verify_phone(client, ada.tokens)

    early = request_recovery(client, phone=NUMBER)

    assert status_and_code(verify_recovery(client, early)) == WRONG
    assert read_messages(client, NUMBER, "sms_mfa_recovery") == []


@pytest.mark.requirement("RG-04")
def test_recovery_code_is_void_after_an_email_change(app, client, ada):
    form = request_recovery(client)
    change_email(client, ada.tokens)

    assert status_and_code(verify_recovery(client, form)) == WRONG


@pytest.mark.requirement("RG-04")
def test_recovery_code_is_void_after_its_number_was_removed(app, client, ada, wait):
    verify_phone(client, ada.tokens)
    wait(days=4)
    form = request_recovery(client, phone=NUMBER)
    with app.app_context():
        db.session.execute(sa.update(Account).values(phone=None, phone_verified_at=None))
        db.session.commit()

    assert status_and_code(verify_recovery(client, form)) == WRONG


# Attackers with the password and the mailbox: the user has a day, and the factor, to stop them


@pytest.mark.requirement("RG-04")
def test_recovery_is_aborted_by_a_login_with_the_factor(app, client, ada, wait):
    recover(client)
    wait(hours=1)
    client.complete_mfa(ada, client.log_in(ada))
    wait(days=1)
    run_cleanup(app)

    assert client.log_in(ada)["status"] == "mfa_required"
    [aborted] = audited(app, "factor.reset_aborted")
    assert aborted.details["reason"] == "a factor was used or added"


@pytest.mark.requirement("RG-04")
@pytest.mark.parametrize("meanwhile", [False, True], ids=["before", "meanwhile"])
def test_recovery_makes_trusted_devices_need_the_factor_so_that_its_use_aborts_it(
    app, client, ada, wait, meanwhile
):
    """The attacker deleted the e-mail; the user notices nothing, and logs in as usual."""
    device = ada.tokens if meanwhile else trust_device(client, ada)
    recover(client)
    wait(hours=1)
    device = trust_device_with_recovery_code(client, ada) if meanwhile else device

    challenge = log_in_on(client, device)
    client.complete_mfa(ada, challenge)
    wait(days=1)
    run_cleanup(app)

    assert challenge["status"] == "mfa_required"
    assert {row.kind for row in rows(app, Credential)} == {"totp", "recovery_codes"}


@pytest.mark.requirement("RG-04")
def test_recovery_that_is_cancelled_leaves_devices_trusted(client, ada):
    device = trust_device(client, ada)
    recover(client)
    token = token_of(read_messages(client, ADA, "notice_mfa_reset")[0]["link"])
    assert client.post("/auth/mfa/reset/cancel", {"token": token}).status_code == 204

    assert log_in_on(client, device)["status"] == "authenticated"


def trust_device(client, user, **code):
    return client.complete_mfa(user, client.log_in(user), remember_device=True, **code)


def trust_device_with_recovery_code(client, user):
    return trust_device(client, user, factor="recovery_codes", code=user.recovery_codes[0])


def log_in_on(client, device):
    headers = {"X-Device-Token": device["device_token"]}
    form = {"identifier": ADA, "password": PASSWORD}
    return client.post("/auth/login", form, headers=headers).json


@pytest.mark.requirement("RG-04")
def test_recovery_is_aborted_by_the_enrolment_of_a_factor(app, client, ada, wait):
    recover(client)
    wait(minutes=1)
    client.enrol_totp(ada, "Tablet")
    wait(days=1)
    run_cleanup(app)

    kinds = sorted(row.kind for row in rows(app, Credential))
    assert kinds == ["recovery_codes", "totp", "totp"]


@pytest.mark.requirement("RG-04")
def test_recovery_is_not_aborted_by_a_login_with_a_recovery_code(app, client, ada, wait):
    """A user who lost a factor logs in with one."""
    recover(client)
    wait(hours=1)
    code = {"factor": "recovery_codes", "code": ada.recovery_codes[0]}
    client.complete_mfa(ada, client.log_in(ada), **code)
    wait(days=1)
    run_cleanup(app)

    assert client.log_in(ada)["status"] == "authenticated"


@pytest.mark.requirement("RG-04")
def test_recovery_is_aborted_by_a_new_password(app, client, ada, wait):
    recover(client)
    reset_by_mail(client)
    wait(days=1, seconds=1)
    run_cleanup(app)

    assert client.log_in(User(ADA, NEW))["status"] == "mfa_required"
    assert audited(app, "factor.reset_aborted")[0].details["reason"] == "password changed"


@pytest.mark.requirement("RG-04")
def test_recovery_is_aborted_by_a_new_email(app, client, ada, wait):
    recover(client)
    change_email(client, ada.tokens)
    wait(days=1, seconds=1)
    run_cleanup(app)

    assert {row.kind for row in rows(app, Credential)} == {"totp", "recovery_codes"}
    assert audited(app, "factor.reset_aborted")[0].details["reason"] == "e-mail address changed"


def test_recovery_can_be_requested_again_after_it_was_aborted(app, client, ada, wait):
    recover(client)
    wait(hours=1)
    client.complete_mfa(ada, client.log_in(ada))
    wait(hours=1)

    assert status_and_code(recover(client)) == SCHEDULED

    wait(days=1, seconds=1)
    run_cleanup(app)
    assert client.log_in(ada)["status"] == "authenticated"


def test_recovery_sends_no_code_to_a_disabled_account(app, client, ada):
    with app.app_context():
        db.session.execute(sa.update(Account).values(disabled_at=clock.now()))
        db.session.commit()

    request_recovery(client)

    assert newest_code(client, ADA) == "00000000"
