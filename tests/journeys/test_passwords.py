"""Journeys: change the password, or set a new one after it was forgotten."""

import pytest

from tests.client import PASSWORD
from tests.journeys.conftest import ADA, NEW_PASSWORD, NUMBER
from tests.journeys.device import outcome
from tests.mail_links import token_of, wrong_code

FORGOT, RESET = "/auth/password/forgot", "/auth/password/reset"
INVALID = (401, "invalid_code")
SENT = (202, "sent")
SIGNED_IN = (200, "authenticated")
WRONG_PASSWORD = (401, "invalid_credentials")


def test_password_change_ends_the_other_sessions(new_device, ada, mailbox):
    laptop, phone = new_device(), new_device()
    laptop.log_in(ada)
    phone.log_in(ada)

    form = {"current_password": "not her password at all", "password": NEW_PASSWORD}
    assert outcome(laptop.post("/auth/password/change", **form)) == WRONG_PASSWORD
    form = {"current_password": PASSWORD, "password": "passwordpassword"}
    weak = laptop.post("/auth/password/change", **form)
    assert weak.json["errors"]["password"][0]["code"] == "password_blocklisted"
    assert phone.is_signed_in
    form["password"] = NEW_PASSWORD
    assert laptop.post("/auth/password/change", **form).status_code == 204

    assert mailbox.templates()[-1] == "notice_password_changed"
    assert (laptop.is_signed_in, phone.is_signed_in) == (True, False)
    assert outcome(phone.refresh()) == (401, "session_ended")
    assert outcome(laptop.refresh()) == SIGNED_IN
    assert outcome(phone.log_in(ada)) == WRONG_PASSWORD
    ada.password = NEW_PASSWORD
    assert outcome(phone.log_in(ada)) == SIGNED_IN


@pytest.mark.parametrize("way", ["code", "link", "sms"])
def test_forgotten_password_is_replaced_and_all_sessions_end(
    new_device, ada_with_phone, mailbox, way
):
    ada, laptop, phone = ada_with_phone, new_device(), new_device()
    laptop.log_in(ada)
    recipient = {"phone": NUMBER} if way == "sms" else {"email": ADA}
    assert outcome(phone.post(FORGOT, **recipient)) == SENT

    if way == "link":
        link = mailbox.read("password_reset")["link"]
        assert phone.open_page(link).status_code == 200
        form = {"token": token_of(link)}
    else:
        mail = ("sms_reset", NUMBER) if way == "sms" else ("password_reset", ADA)
        form = recipient | {"code": mailbox.read(*mail)["code"]}
        wrong = form | {"code": wrong_code(form["code"]), "password": NEW_PASSWORD}
        assert outcome(phone.post(RESET, **wrong)) == INVALID
    weak = phone.post(RESET, **form, password="passwordpassword")
    assert outcome(weak) == (422, "validation_failed")
    assert phone.post(RESET, **form, password=NEW_PASSWORD).status_code == 204

    assert mailbox.templates()[-1] == "notice_password_reset"
    assert (laptop.is_signed_in, phone.is_signed_in) == (False, False)
    assert outcome(phone.post(RESET, **form, password=PASSWORD)) == INVALID
    assert outcome(phone.log_in(ada)) == WRONG_PASSWORD
    ada.password = NEW_PASSWORD
    assert outcome(phone.log_in(ada)) == SIGNED_IN


def test_forgotten_password_of_a_user_with_totp_keeps_the_second_factor(
    device, make_user, mailbox, wait
):
    ada = make_user(email=ADA, factors=["totp"])
    assert outcome(device.post(FORGOT, email=ADA)) == SENT
    form = {"email": ADA, "code": mailbox.read("password_reset")["code"]}
    assert device.post(RESET, **form, password=NEW_PASSWORD).status_code == 204

    ada.password = NEW_PASSWORD
    assert outcome(device.log_in(ada)) == (200, "mfa_required")
    wait(seconds=30)
    assert outcome(device.log_in_with_totp(ada)) == SIGNED_IN


def test_forgotten_password_of_an_unknown_user_looks_the_same_and_sends_nothing(device, mailbox):
    for recipient in ({"email": "unknown@example.com"}, {"phone": "+4915199999999"}):
        assert outcome(device.post(FORGOT, **recipient)) == SENT

        assert mailbox.templates(*recipient.values()) == []
        form = {"code": "00000000", "password": NEW_PASSWORD}
        assert outcome(device.post(RESET, **recipient, **form)) == INVALID
