"""Journeys: a user lost the second factor; recovery, the delay before it, and its cancellation."""

import pytest

from tests.client import PASSWORD, User
from tests.journeys.conftest import ADA, NUMBER
from tests.journeys.device import outcome
from tests.mail_links import token_of, wrong_code
from tests.mfa.recovery import run_cleanup

REQUEST, VERIFY = "/auth/mfa/recovery", "/auth/mfa/recovery/verify"
CANCEL = "/auth/mfa/reset/cancel"
ANNOUNCED = (200, "announced")
INVALID = (401, "invalid_code")
MFA_REQUIRED = (200, "mfa_required")
SIGNED_IN = (200, "authenticated")


@pytest.fixture
def ada(make_user):
    """Ada, who has a password, an authenticator app and recovery codes."""
    return make_user(email=ADA, factors=["totp"])


def request_recovery(device, mailbox):
    """Request a code by e-mail; return the start of the form that needs it."""
    response = device.post(REQUEST, email=ADA)
    assert outcome(response) == (202, "sent")
    code = mailbox.read("mfa_recovery")["code"]
    return {"recovery_token": response.json["recovery_token"], "code": code}


def announce_recovery(device, mailbox):
    """Recover with the mailed code and the password; return the cancellation link."""
    form = request_recovery(device, mailbox)
    assert outcome(device.post(VERIFY, **form, password=PASSWORD)) == ANNOUNCED
    return mailbox.read("notice_mfa_reset")["link"]


def test_mfa_recovery_restores_access_after_the_delay(app, new_device, ada, mailbox, wait):
    signed_in, device = new_device(), new_device()
    signed_in.log_in_with_totp(ada)
    assert outcome(device.log_in(ada)) == MFA_REQUIRED

    form = request_recovery(device, mailbox)
    wrong = form | {"code": wrong_code(form["code"])}
    assert outcome(device.post(VERIFY, **wrong, password=PASSWORD)) == INVALID
    announced = device.post(VERIFY, **form, password=PASSWORD)
    assert outcome(announced) == ANNOUNCED
    assert announced.json["due_at"].endswith("Z")
    assert not device.is_signed_in
    page = device.open_page(mailbox.read("notice_mfa_reset")["link"])
    assert "Your second factors will be removed on" in page.text

    wait(hours=23)
    run_cleanup(app)
    assert outcome(device.log_in(ada)) == MFA_REQUIRED
    wait(hours=2)
    run_cleanup(app)
    assert mailbox.templates()[-1] == "notice_factor_removed"
    assert outcome(signed_in.refresh()) == (401, "session_ended")
    assert outcome(device.log_in(ada)) == SIGNED_IN

    assert device.get("/auth/mfa/factors").json["items"] == []
    assert device.enrol_totp(ada).status_code == 200
    assert outcome(new_device().log_in_with_totp(ada)) == SIGNED_IN


def test_mfa_recovery_by_sms_and_a_recovery_code(
    app, device, new_device, ada_with_phone, mailbox, wait
):
    """The number must have been verified for days, so that a thief's does not count."""
    ada = ada_with_phone
    first = new_device()
    first.log_in(ada)
    first.enrol_totp(ada)
    wait(days=4)

    token = device.post(REQUEST, phone=NUMBER).json["recovery_token"]
    form = {"recovery_token": token, "code": mailbox.read("sms_mfa_recovery", NUMBER)["code"]}
    form["recovery_code"] = ada.recovery_codes[0]
    assert outcome(device.post(VERIFY, **form)) == ANNOUNCED
    assert outcome(device.post(VERIFY, **form)) == INVALID
    assert "second factor" in mailbox.read("sms_notice", NUMBER)["what"]

    wait(days=1, minutes=1)
    run_cleanup(app)
    assert outcome(device.log_in(ada)) == SIGNED_IN


def test_mfa_recovery_by_an_intruder_is_cancelled_by_the_mailed_link(
    app, new_device, ada, mailbox, wait
):
    intruder, mine = new_device(), new_device()
    link = announce_recovery(intruder, mailbox)

    assert mine.open_page(link).status_code == 200
    assert mine.post(CANCEL, token=token_of(link)).status_code == 204
    assert outcome(mine.post(CANCEL, token=token_of(link))) == INVALID
    assert mine.open_page(link).status_code == 404

    wait(days=2)
    run_cleanup(app)
    assert outcome(intruder.log_in(ada)) == MFA_REQUIRED
    assert outcome(mine.log_in_with_totp(ada)) == SIGNED_IN


def test_mfa_recovery_by_an_intruder_is_cancelled_by_the_owner_who_is_signed_in(
    app, new_device, ada, mailbox, wait
):
    intruder, mine = new_device(), new_device()
    announce_recovery(intruder, mailbox)
    wait(minutes=1)
    assert outcome(mine.log_in_with_totp(ada)) == SIGNED_IN

    assert mine.delete("/auth/mfa/reset").status_code == 204
    assert outcome(mine.delete("/auth/mfa/reset")) == INVALID

    wait(days=2)
    run_cleanup(app)
    assert outcome(intruder.log_in(ada)) == MFA_REQUIRED


def test_mfa_recovery_is_void_once_the_owner_finds_the_lost_factor(
    app, new_device, ada, mailbox, wait
):
    announce_recovery(new_device(), mailbox)
    wait(hours=20)
    assert outcome(new_device().log_in_with_totp(ada)) == SIGNED_IN

    wait(hours=10)
    run_cleanup(app)
    assert outcome(new_device().log_in(ada)) == MFA_REQUIRED


def test_mfa_recovery_of_an_unknown_user_looks_the_same_and_sends_nothing(device, mailbox):
    for recipient in ({"email": "unknown@example.com"}, {"phone": "+4915199999999"}):
        requested = device.post(REQUEST, **recipient)
        assert outcome(requested) == (202, "sent")

        assert mailbox.templates(*recipient.values()) == []
        form = {"recovery_token": requested.json["recovery_token"], "code": "00000000"}
        assert outcome(device.post(VERIFY, **form, password=PASSWORD)) == INVALID


def test_mfa_reset_by_an_operator_helps_a_user_who_lost_the_password_too(
    app, device, ada, mailbox, wait
):
    reset = app.test_cli_runner().invoke(args=["users", "reset-mfa", ADA])
    assert reset.exit_code == 0, reset.output
    assert mailbox.templates()[-1] == "notice_mfa_reset"

    wait(days=1, minutes=1)
    run_cleanup(app)
    assert outcome(device.post("/auth/password/forgot", email=ADA)) == (202, "sent")
    form = {"email": ADA, "code": mailbox.read("password_reset")["code"]}
    new = "another unlikely phrase 43"
    assert device.post("/auth/password/reset", **form, password=new).status_code == 204
    assert outcome(device.log_in(User(ADA, new))) == SIGNED_IN
