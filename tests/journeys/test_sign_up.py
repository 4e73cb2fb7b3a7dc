"""Journeys: from no account to the first session."""

from functools import partial

from tests.client import PASSWORD, User
from tests.journeys.conftest import ADA, NEW_PASSWORD
from tests.journeys.device import outcome
from tests.mail_links import token_of, wrong_code
from tests.mfa.authenticator import Authenticator

INVALID = (401, "invalid_code")
CODE_ALONE = (401, "token_missing")
PENDING = (202, "verification_required")
VERIFIED = (200, "verified")


def test_sign_up_with_a_password_is_completed_by_the_newest_mailed_code(device, mailbox):
    ada = User(ADA, username="ada")
    form = {"email": ADA, "password": PASSWORD, "username": "ada", "name": "Ada"}
    registered = device.post("/auth/register", **form)
    assert outcome(registered) == PENDING
    assert outcome(device.log_in(ada)) == (401, "invalid_credentials")

    verify = partial(
        device.post,
        "/auth/email/verify",
        email=ADA,
        registration_token=registered.json["registration_token"],
    )
    lost = mailbox.read("verify_email")["code"]
    assert outcome(device.post("/auth/email/resend", email=ADA)) == (202, "sent")
    code = mailbox.read("verify_email")["code"]
    for useless in (lost, wrong_code(code)):
        assert outcome(verify(code=useless)) == INVALID
    assert outcome(device.post("/auth/email/verify", email=ADA, code=code)) == CODE_ALONE
    assert outcome(verify(code=code)) == VERIFIED
    assert not device.is_signed_in

    assert outcome(device.log_in(ada)) == (200, "authenticated")
    profile = device.me
    assert (profile["email"], profile["email_verified"]) == (ADA, True)
    assert (profile["username"], profile["name"], profile["roles"]) == ("ada", "Ada", ["user"])
    assert mailbox.templates() == ["verify_email", "verify_email"]


def test_sign_up_is_completed_on_another_device_by_the_mailed_link(new_device, mailbox):
    laptop, phone = new_device(), new_device()
    assert outcome(laptop.post("/auth/register", email=ADA, password=PASSWORD)) == PENDING

    link = mailbox.read("verify_email")["link"]
    assert phone.open_page(link).status_code == 200
    form = {"token": token_of(link), "password": "what a stranger guesses"}
    assert outcome(phone.post("/auth/email/verify", **form)) == (401, "invalid_credentials")
    form["password"] = PASSWORD
    assert outcome(phone.post("/auth/email/verify", **form)) == VERIFIED

    assert outcome(phone.post("/auth/email/verify", **form)) == INVALID
    assert phone.open_page(link).status_code == 404
    for device in (phone, laptop):
        assert outcome(device.log_in(User(ADA))) == (200, "authenticated")


def test_sign_up_that_was_left_for_days_starts_again(device, mailbox, wait):
    form = {"email": ADA, "password": PASSWORD, "username": "ada"}
    device.post("/auth/register", **form)
    late = mailbox.read("verify_email")["code"]
    wait(days=2)
    verify = {"email": ADA, "password": PASSWORD}
    assert outcome(device.post("/auth/email/verify", **verify, code=late)) == INVALID
    device.post("/auth/email/resend", email=ADA)
    assert mailbox.templates() == ["verify_email"]  # nothing is pending any more

    assert outcome(device.post("/auth/register", **form)) == PENDING
    code = mailbox.read("verify_email")["code"]
    assert outcome(device.post("/auth/email/verify", **verify, code=code)) == VERIFIED
    assert outcome(device.log_in(User(ADA), "ada")) == (200, "authenticated")


def test_sign_up_with_a_taken_username_chooses_another(device, ada, mailbox):
    form = {"email": "grace@example.com", "password": PASSWORD, "username": "Ada"}
    assert outcome(device.post("/auth/register", **form)) == (409, "username_taken")
    form["username"] = "grace"
    registered = device.post("/auth/register", **form)
    assert outcome(registered) == PENDING

    code = mailbox.read("verify_email", "grace@example.com")["code"]
    token = registered.json["registration_token"]
    form = {"email": "grace@example.com", "code": code, "registration_token": token}
    assert outcome(device.post("/auth/email/verify", **form)) == VERIFIED
    assert outcome(device.log_in(User("grace@example.com"), "grace")) == (200, "authenticated")


def test_sign_up_of_a_user_who_has_an_account_leads_back_to_it(device, ada, mailbox):
    form = {"email": ADA, "password": NEW_PASSWORD}
    assert outcome(device.post("/auth/register", **form)) == PENDING

    assert mailbox.templates() == ["account_exists"]
    assert outcome(device.log_in(User(ADA, NEW_PASSWORD))) == (401, "invalid_credentials")
    assert outcome(device.log_in(ada)) == (200, "authenticated")


def test_sign_up_with_a_passkey_needs_no_password(device, new_device, mailbox):
    key = Authenticator()
    options = device.post("/auth/register/options", email=ADA, name="Ada").json
    token = options["registration_token"]
    passkey = {"registration_token": token, "credential": key.create(options["public_key"])}
    form = {"email": ADA, "name": "Ada", "passkey": passkey}
    assert outcome(device.post("/auth/register", **form)) == PENDING
    assert outcome(device.log_in_with_passkey(key)) == INVALID

    mail = mailbox.read("verify_email")
    phone = new_device()
    assert phone.open_page(mail["code_link"]).status_code == 200
    shown = phone.post("/auth/email/verify/code", token=token_of(mail["code_link"]))
    assert shown.json == {"code": mail["code"]}
    form = {"email": ADA, "code": mail["code"]}
    assert outcome(phone.post("/auth/email/verify", **form)) == CODE_ALONE
    verified = device.post("/auth/email/verify", **form, registration_token=token)
    assert outcome(verified) == VERIFIED
    assert len(verified.json["recovery_codes"]) == 10

    assert outcome(device.log_in_with_passkey(key)) == (200, "authenticated")
    assert (device.me["email"], device.me["name"]) == (ADA, "Ada")
    factors = device.get("/auth/mfa/factors").json["items"]
    assert [factor["kind"] for factor in factors] == ["passkey", "recovery_codes"]
    assert outcome(new_device().log_in(User(ADA))) == (401, "invalid_credentials")


def test_invitation_creates_an_account_with_its_role(app, device, mailbox):
    invited = app.test_cli_runner().invoke(args=["users", "invite", ADA, "--role", "admin"])
    link = mailbox.read("invitation")["link"]
    assert link in invited.output

    assert device.open_page(link).status_code == 200
    weak = device.post("/auth/invitation", token=token_of(link), password="passwordpassword")
    assert weak.json["errors"]["password"][0]["code"] == "password_blocklisted"
    accepted = device.post("/auth/invitation", token=token_of(link), password=NEW_PASSWORD)
    assert accepted.status_code == 204
    assert not device.is_signed_in

    again = device.post("/auth/invitation", token=token_of(link), password=PASSWORD)
    assert outcome(again) == INVALID
    assert device.open_page(link).status_code == 404
    assert outcome(device.log_in(User(ADA, NEW_PASSWORD))) == (200, "authenticated")
    assert device.me["roles"] == ["admin", "user"]
    assert device.me["email_verified"]


def test_invitation_that_expired_is_sent_again(app, device, mailbox, wait):
    def invite():
        app.test_cli_runner().invoke(args=["users", "invite", ADA])
        return {"token": token_of(mailbox.read("invitation")["link"]), "password": PASSWORD}

    late = invite()
    wait(days=4)
    assert outcome(device.post("/auth/invitation", **late)) == INVALID

    assert device.post("/auth/invitation", **invite()).status_code == 204
    assert outcome(device.log_in(User(ADA))) == (200, "authenticated")
    assert device.me["roles"] == ["user"]
