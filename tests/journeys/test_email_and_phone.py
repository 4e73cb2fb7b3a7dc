"""Journeys: change the e-mail address and revert that; add, change and remove a phone number."""

import pytest

from tests.client import PASSWORD
from tests.journeys.conftest import ADA, NEW_ADDRESS, NEW_PASSWORD, NUMBER
from tests.journeys.device import outcome
from tests.mail_links import token_of, wrong_code

INVALID = (401, "invalid_code")
NEW_NUMBER = "+4915187654321"
SENT, VERIFIED = (202, "sent"), (200, "verified")
SIGNED_IN = (200, "authenticated")
WRONG_PASSWORD = (401, "invalid_credentials")


@pytest.mark.parametrize("way", ["code", "link"])
def test_email_change_applies_once_the_new_address_is_verified(new_device, ada, mailbox, way):
    laptop, phone = new_device(), new_device()
    laptop.log_in(ada)
    assert outcome(laptop.post("/auth/email/change", email=NEW_ADDRESS)) == SENT
    assert mailbox.read("email_change_asked")["new_address"] == NEW_ADDRESS
    assert laptop.me["email"] == ADA
    assert outcome(phone.log_in(ada, NEW_ADDRESS)) == WRONG_PASSWORD

    mail = mailbox.read("email_change", NEW_ADDRESS)
    if way == "code":
        form = {"email": NEW_ADDRESS, "code": mail["code"]}
        wrong = form | {"code": wrong_code(mail["code"])}
        assert outcome(laptop.post("/auth/email/verify", **wrong)) == INVALID
        assert outcome(laptop.post("/auth/email/verify", **form)) == VERIFIED
    else:
        assert phone.open_page(mail["link"]).status_code == 200
        form = {"token": token_of(mail["link"]), "password": PASSWORD}
        assert outcome(phone.post("/auth/email/verify", **form)) == VERIFIED

    assert (laptop.me["email"], laptop.me["email_verified"]) == (NEW_ADDRESS, True)
    assert mailbox.templates(NEW_ADDRESS)[-1] == mailbox.templates()[-1] == "notice_email_changed"
    assert outcome(phone.log_in(ada, ADA)) == WRONG_PASSWORD
    assert outcome(phone.log_in(ada, NEW_ADDRESS)) == SIGNED_IN
    assert outcome(laptop.post("/auth/email/verify", **form)) == INVALID


def test_email_change_by_an_intruder_is_reverted_from_the_old_address(
    new_device, ada, mailbox, wait
):
    intruder, mine = new_device(), new_device()
    intruder.log_in(ada)
    assert outcome(intruder.post("/auth/email/change", email="eve@example.net")) == SENT
    code = mailbox.read("email_change", "eve@example.net")["code"]
    verified = intruder.post("/auth/email/verify", email="eve@example.net", code=code)
    assert outcome(verified) == VERIFIED
    assert outcome(mine.log_in(ada)) == WRONG_PASSWORD

    wait(days=2)
    link = mailbox.read("notice_email_changed")["link"]
    assert mine.open_page(link).status_code == 200
    assert mine.post("/auth/email/undo", token=token_of(link)).status_code == 204
    assert outcome(mine.post("/auth/email/undo", token=token_of(link))) == INVALID
    assert outcome(intruder.refresh()) == (401, "session_ended")
    assert outcome(intruder.log_in(ada, "eve@example.net")) == WRONG_PASSWORD
    assert outcome(intruder.log_in(ada, "ada")) == WRONG_PASSWORD  # the password is deleted

    assert outcome(mine.post("/auth/password/forgot", email=ADA)) == SENT
    reset = {"token": token_of(mailbox.read("password_reset")["link"]), "password": NEW_PASSWORD}
    assert mine.post("/auth/password/reset", **reset).status_code == 204
    ada.password = NEW_PASSWORD
    assert outcome(mine.log_in(ada)) == SIGNED_IN
    assert mine.me["email"] == ADA


def test_phone_number_is_added_changed_used_to_log_in_and_removed(device, ada, mailbox):
    device.log_in(ada)

    for number in (NUMBER, NEW_NUMBER):
        assert outcome(device.post("/auth/phone", phone=number)) == SENT
        code = mailbox.read("sms_phone", number)["code"]
        wrong = device.post("/auth/phone/verify", phone=number, code=wrong_code(code))
        assert outcome(wrong) == INVALID
        assert outcome(device.post("/auth/phone/verify", phone=number, code=code)) == VERIFIED
        assert (device.me["phone"], device.me["phone_verified"]) == (number, True)
        assert mailbox.templates()[-1] == "notice_phone_changed"
    assert "phone number" in mailbox.read("sms_notice", NUMBER)["what"]

    assert outcome(device.log_in(ada, NUMBER)) == WRONG_PASSWORD
    assert outcome(device.log_in(ada, NEW_NUMBER)) == SIGNED_IN
    assert device.delete("/auth/phone").status_code == 204
    assert (device.me["phone"], device.me["phone_verified"]) == (None, False)
    assert mailbox.templates(NEW_NUMBER)[-1] == "sms_notice"
    assert outcome(device.log_in(ada, NEW_NUMBER)) == WRONG_PASSWORD
