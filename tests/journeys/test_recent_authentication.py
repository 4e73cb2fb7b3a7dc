"""Journeys: authenticate again before a sensitive change; devices that skip the second factor."""

import pytest

from tests.client import PASSWORD
from tests.journeys.conftest import ADA, NEW_PASSWORD, NUMBER
from tests.journeys.device import outcome
from tests.mail_links import wrong_code
from tests.mfa.authenticator import Authenticator

CHALLENGE, STEP_UP = "/auth/reauthenticate/challenge", "/auth/reauthenticate"
INVALID = (401, "invalid_code")
MFA_REQUIRED = (200, "mfa_required")
SIGNED_IN = (200, "authenticated")
STEP_UP_NEEDED = (401, "insufficient_user_authentication")


def wait_until_stale(device, wait):
    """Use a session for longer than a login counts as recent."""
    for _ in range(2):
        wait(minutes=6)
        assert outcome(device.refresh()) == SIGNED_IN


def test_step_up_by_password_allows_a_sensitive_change(device, ada, wait):
    device.log_in(ada)
    session_id = device.session["id"]
    wait_until_stale(device, wait)

    change = {"email": "ada@new.example"}
    assert outcome(device.post("/auth/email/change", **change)) == STEP_UP_NEEDED
    wrong = device.post(STEP_UP, password="not her password at all")
    assert outcome(wrong) == (401, "invalid_credentials")
    assert outcome(device.post(STEP_UP, password=PASSWORD)) == SIGNED_IN
    assert outcome(device.post("/auth/email/change", **change)) == (202, "sent")

    assert device.session["id"] == session_id
    assert outcome(device.refresh()) == SIGNED_IN


def test_step_up_of_a_user_with_factors_takes_any_of_them(device, make_user, mailbox, wait):
    ada, key = make_user(email=ADA, factors=["totp"]), Authenticator()
    wait(seconds=30)
    device.log_in_with_totp(ada)
    enrolled = device.enrol(
        "passkey", lambda factor: {"credential": key.create(factor["public_key"])}
    )
    passkey_id = {"factor_id": enrolled.json["factor"]["id"]}

    def respond_with_passkey():
        options = device.post(CHALLENGE, **passkey_id).json["public_key"]
        return passkey_id | {"credential": key.get(options)}

    for respond in (
        lambda: {"code": ada.totp()},
        respond_with_passkey,
        lambda: {"factor": "recovery_codes", "code": ada.recovery_codes[0]},
    ):
        wait_until_stale(device, wait)
        assert outcome(device.post("/auth/mfa/recovery-codes")) == STEP_UP_NEEDED
        assert outcome(device.post(STEP_UP, **respond())) == SIGNED_IN
        replaced = device.post("/auth/mfa/recovery-codes")
        assert replaced.status_code == 201
        ada.recovery_codes = replaced.json["recovery_codes"]


@pytest.mark.parametrize("kind", ["email", "sms"])
def test_step_up_by_a_code_that_is_sent(device, ada_with_phone, mailbox, wait, kind):
    mail = ("factor_code", ADA) if kind == "email" else ("sms_factor", NUMBER)
    device.log_in(ada_with_phone)
    enrolled = device.enrol(kind, lambda _factor: {"code": mailbox.read(*mail)["code"]})
    wait_until_stale(device, wait)
    assert outcome(device.delete("/auth/phone")) == STEP_UP_NEEDED

    challenge = device.post(CHALLENGE, factor_id=enrolled.json["factor"]["id"])
    assert challenge.json.keys() == {"expires_in"}
    code = mailbox.read(*mail)["code"]
    assert outcome(device.post(STEP_UP, factor=kind, code=wrong_code(code))) == INVALID
    assert outcome(device.post(STEP_UP, factor=kind, code=code)) == SIGNED_IN
    assert outcome(device.post(STEP_UP, factor=kind, code=code)) == INVALID
    assert device.delete("/auth/phone").status_code == 204


def test_step_up_after_two_idle_hours_takes_the_second_factor_again(device, make_user, wait):
    ada = make_user(email=ADA, factors=["totp"])
    device.log_in_with_totp(ada)
    wait(hours=2)
    assert outcome(device.refresh()) == SIGNED_IN
    assert device.session["amr"] == ["pwd"]

    assert outcome(device.post("/auth/mfa/recovery-codes")) == STEP_UP_NEEDED
    assert outcome(device.post(STEP_UP, password=PASSWORD)) == SIGNED_IN
    assert outcome(device.post("/auth/mfa/recovery-codes")) == STEP_UP_NEEDED
    assert outcome(device.post(STEP_UP, code=ada.totp())) == SIGNED_IN
    assert device.post("/auth/mfa/recovery-codes").status_code == 201


def test_trusted_device_skips_the_second_factor_until_its_owner_forgets_it(
    new_device, make_user, wait
):
    ada = make_user(email=ADA, factors=["totp"])
    laptop, phone = new_device(), new_device()
    assert outcome(laptop.log_in_with_totp(ada, remember_device=True)) == SIGNED_IN
    laptop.log_out()

    assert outcome(laptop.log_in(ada)) == SIGNED_IN
    assert laptop.session["amr"] == ["pwd"]
    assert outcome(phone.log_in(ada)) == MFA_REQUIRED
    assert outcome(laptop.post("/auth/mfa/factors", kind="totp")) == STEP_UP_NEEDED

    wait(minutes=1)
    phone.log_in_with_totp(ada)
    [trusted] = phone.get("/auth/devices").json["items"]
    assert phone.delete(f"/auth/devices/{trusted['id']}").status_code == 204
    assert phone.get("/auth/devices").json["items"] == []
    assert laptop.is_signed_in  # only its next login needs the second factor
    laptop.log_out()
    assert outcome(laptop.log_in(ada)) == MFA_REQUIRED


def test_trusted_device_needs_the_second_factor_after_thirty_days_or_a_new_password(
    device, make_user, wait
):
    ada = make_user(email=ADA, factors=["totp"])
    device.log_in_with_totp(ada, remember_device=True)
    wait(days=29)
    assert outcome(device.log_in(ada)) == SIGNED_IN
    wait(days=2)
    assert outcome(device.log_in(ada)) == MFA_REQUIRED

    device.log_in_with_totp(ada, remember_device=True)
    form = {"current_password": ada.password, "password": NEW_PASSWORD}
    assert device.post("/auth/password/change", **form).status_code == 204
    ada.password = NEW_PASSWORD
    assert outcome(device.log_in(ada)) == MFA_REQUIRED
