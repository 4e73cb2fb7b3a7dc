"""Journeys: log in without a password, by a mailed link or code, or a code by SMS."""

from tests.journeys.conftest import ADA, NUMBER
from tests.journeys.device import outcome
from tests.mail_links import token_of, wrong_code

INVALID = (401, "invalid_code")
REQUEST, VERIFY = "/auth/login/link", "/auth/login/link/verify"
SIGNED_IN = (200, "authenticated")


def request_message(device, **recipient):
    """Request a link or code; return the login token that the device keeps."""
    response = device.post(REQUEST, **recipient)
    assert outcome(response) == (202, "sent")
    return response.json["login_token"]


def test_login_by_a_mailed_link_on_the_device_that_requested_it(device, ada, mailbox):
    login_token = request_message(device, email=ADA)
    link = mailbox.read("login_link")["link"]

    assert device.open_page(link).status_code == 200
    form = {"login_token": login_token, "token": token_of(link)}
    assert outcome(device.post(VERIFY, **form)) == SIGNED_IN
    assert device.session["amr"] == ["email"]

    assert outcome(device.post(VERIFY, **form)) == INVALID
    assert device.open_page(link).status_code == 404
    assert outcome(device.refresh()) == SIGNED_IN
    assert device.me["email"] == ADA


def test_login_by_a_mailed_link_opened_on_another_device_by_typing_its_code(
    new_device, ada, mailbox
):
    laptop, phone = new_device(), new_device()
    login_token = request_message(laptop, email=ADA)
    mail = mailbox.read("login_link")

    assert mail["code"] not in phone.open_page(mail["link"]).text
    for secret in ({"code": mail["code"]}, {"token": token_of(mail["link"])}):
        assert outcome(phone.post(VERIFY, login_token="x" * 43, **secret)) == INVALID
    shown = phone.post("/auth/login/link/code", token=token_of(mail["link"])).json["code"]
    assert not phone.is_signed_in

    wrong = laptop.post(VERIFY, login_token=login_token, code=wrong_code(shown))
    assert outcome(wrong) == INVALID
    assert outcome(laptop.post(VERIFY, login_token=login_token, code=shown)) == SIGNED_IN
    assert laptop.me["email"] == ADA
    used = phone.post("/auth/login/link/code", token=token_of(mail["link"]))
    assert outcome(used) == INVALID


def test_login_by_an_sms_code_that_is_requested_again(device, ada_with_phone, mailbox, wait):
    late = request_message(device, phone=NUMBER)
    code = mailbox.read("sms_login", NUMBER)["code"]
    wait(minutes=11)
    assert outcome(device.post(VERIFY, login_token=late, code=code)) == INVALID

    login_token = request_message(device, phone=NUMBER)
    code = mailbox.read("sms_login", NUMBER)["code"]
    assert outcome(device.post(VERIFY, login_token=login_token, code=code)) == SIGNED_IN
    assert device.session["amr"] == ["sms"]
    assert outcome(device.refresh()) == SIGNED_IN
    assert device.me["phone"] == NUMBER


def test_login_by_message_of_an_unknown_user_looks_the_same_and_sends_nothing(device, mailbox):
    for recipient in ({"email": "unknown@example.com"}, {"phone": "+4915199999999"}):
        login_token = request_message(device, **recipient)

        assert mailbox.templates(*recipient.values()) == []
        assert outcome(device.post(VERIFY, login_token=login_token, code="000000")) == INVALID


def test_login_by_a_mailed_code_still_asks_for_the_second_factor(device, make_user, mailbox):
    ada = make_user(email=ADA, factors=["totp"])
    login_token = request_message(device, email=ADA)

    form = {"login_token": login_token, "code": mailbox.read("login_link")["code"]}
    challenge = device.post(VERIFY, **form)
    assert outcome(challenge) == (200, "mfa_required")
    assert not device.is_signed_in

    form = {"mfa_token": challenge.json["mfa_token"], "factor": "totp", "code": ada.totp()}
    assert outcome(device.post("/auth/login/mfa", **form)) == SIGNED_IN
    assert device.session["amr"] == ["email", "otp"]
