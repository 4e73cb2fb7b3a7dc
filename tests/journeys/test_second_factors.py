"""Journeys: enrol each kind of second factor and log in with it, use and replace recovery codes."""

import pytest

from tests.client import User
from tests.journeys.conftest import ADA, NUMBER
from tests.journeys.device import outcome
from tests.mail_links import wrong_code
from tests.mfa.authenticator import Authenticator

CHALLENGE, STEP = "/auth/login/mfa/challenge", "/auth/login/mfa"
INVALID = (401, "invalid_code")
MFA_REQUIRED = (200, "mfa_required")
SIGNED_IN = (200, "authenticated")


def start_login(device, user, kind):
    """Log in with the password; return the start of the second step's form, for one factor."""
    challenge = device.log_in(user)
    assert outcome(challenge) == MFA_REQUIRED
    assert not device.is_signed_in
    [factor] = [one for one in challenge.json["factors"] if one["kind"] == kind]
    named = {"factor_id": factor["id"]} if "id" in factor else {"factor": kind}
    return {"mfa_token": challenge.json["mfa_token"], **named}


def test_totp_is_enrolled_and_asked_for_on_every_other_device(new_device, ada):
    laptop, phone, tablet = new_device(), new_device(), new_device()
    laptop.log_in(ada)
    phone.log_in(ada)

    confirmed = laptop.enrol_totp(ada)
    assert confirmed.json["factor"]["confirmed"]
    assert len(ada.recovery_codes) == 10
    assert laptop.is_signed_in
    assert not phone.is_signed_in  # it was signed in with the password alone

    form, code = start_login(phone, ada, "totp"), ada.totp()
    assert outcome(phone.post(STEP, **form, code=wrong_code(code))) == INVALID
    assert outcome(phone.post(STEP, **form, code=code)) == SIGNED_IN
    assert phone.session["amr"] == ["pwd", "otp", "mfa"]

    form = start_login(tablet, ada, "totp")
    assert outcome(tablet.post(STEP, **form, code=code)) == INVALID  # it was used


def test_totp_that_is_removed_is_not_asked_for_any_more(new_device, ada, mailbox):
    laptop, phone = new_device(), new_device()
    laptop.log_in(ada)
    laptop.enrol_totp(ada)
    assert outcome(phone.log_in_with_totp(ada)) == SIGNED_IN
    [totp, codes] = phone.get("/auth/mfa/factors").json["items"]
    assert (totp["kind"], codes["kind"], codes["left"]) == ("totp", "recovery_codes", 10)

    assert phone.delete(f"/auth/mfa/factors/{totp['id']}").status_code == 204

    assert mailbox.templates()[-2:] == ["notice_new_device", "notice_factor_removed"]
    assert not laptop.is_signed_in
    assert outcome(phone.refresh()) == SIGNED_IN
    assert phone.get("/auth/mfa/factors").json["items"] == []
    assert outcome(laptop.log_in(ada)) == SIGNED_IN


@pytest.mark.parametrize("kind", ["email", "sms"])
def test_otp_factor_sends_a_code_at_each_login(device, ada_with_phone, mailbox, kind):
    ada = ada_with_phone
    mail = ("factor_code", ADA) if kind == "email" else ("sms_factor", NUMBER)
    device.log_in(ada)
    confirmed = device.enrol(kind, lambda _factor: {"code": mailbox.read(*mail)["code"]})
    assert len(confirmed.json["recovery_codes"]) == 10
    device.log_out()

    form = start_login(device, ada, kind)
    assert device.post(CHALLENGE, **form).json.keys() == {"expires_in"}
    first = mailbox.read(*mail)["code"]
    device.post(CHALLENGE, **form)
    assert outcome(device.post(STEP, **form, code=first)) == INVALID  # a newer one was sent
    code = mailbox.read(*mail)["code"]
    assert outcome(device.post(STEP, **form, code=code)) == SIGNED_IN
    assert kind in device.session["amr"]


def test_passkey_is_a_second_factor_and_a_login_of_its_own(device, ada):
    key = Authenticator()
    device.log_in(ada)
    device.enrol("passkey", lambda factor: {"credential": key.create(factor["public_key"])})
    device.log_out()

    form = start_login(device, ada, "passkey")
    options = device.post(CHALLENGE, **form).json["public_key"]
    stranger = Authenticator(user_handle=key.user_handle)
    rejected = device.post(STEP, **form, credential=stranger.get(options))
    assert outcome(rejected) == INVALID
    options = device.post(CHALLENGE, **form).json["public_key"]
    assert outcome(device.post(STEP, **form, credential=key.get(options))) == SIGNED_IN
    assert device.session["amr"] == ["pwd", "hwk", "mfa"]
    device.log_out()

    assert outcome(device.log_in_with_passkey(key)) == SIGNED_IN
    assert device.me["email"] == ADA


def test_recovery_code_works_once_and_new_codes_replace_the_old(new_device, ada, mailbox):
    laptop, phone, tablet = new_device(), new_device(), new_device()
    laptop.log_in(ada)
    laptop.enrol_totp(ada)
    [used, unused, *_] = ada.recovery_codes

    form = start_login(phone, ada, "recovery_codes")
    assert outcome(phone.post(STEP, **form, code=used)) == SIGNED_IN
    assert "notice_recovery_code_used" in mailbox.templates()
    [_, codes] = phone.get("/auth/mfa/factors").json["items"]
    assert codes["left"] == 9
    form = start_login(tablet, ada, "recovery_codes")
    assert outcome(tablet.post(STEP, **form, code=used)) == INVALID

    replaced = phone.post("/auth/mfa/recovery-codes").json["recovery_codes"]
    assert len(set(replaced) - set(ada.recovery_codes)) == 10
    assert outcome(tablet.post(STEP, **form, code=unused)) == INVALID
    assert outcome(tablet.post(STEP, **form, code=replaced[0])) == SIGNED_IN


@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_required_factor_is_enrolled_within_the_login(device, ada, wait):
    challenge = device.log_in(ada)
    assert outcome(challenge) == (200, "mfa_enrolment_required")
    assert challenge.json["kinds"] == ["totp", "passkey"]
    assert not device.is_signed_in

    mfa_token = challenge.json["mfa_token"]
    factor = device.post(f"{STEP}/enrolment", mfa_token=mfa_token, kind="totp").json
    assert factor["qr_svg"].startswith("<svg")
    ada.secret = factor["secret"]
    form = {"mfa_token": mfa_token, "factor_id": factor["id"]}
    wrong = device.post(f"{STEP}/enrolment/confirm", **form, code=wrong_code(ada.totp()))
    assert outcome(wrong) == INVALID
    enrolled = device.post(f"{STEP}/enrolment/confirm", **form, code=ada.totp())
    assert outcome(enrolled) == SIGNED_IN
    assert len(enrolled.json["recovery_codes"]) == 10
    assert device.me["email"] == ADA

    wait(minutes=61)
    assert outcome(device.refresh()) == (401, "session_ended")
    assert outcome(device.log_in_with_totp(User(ADA, secret=ada.secret))) == SIGNED_IN
