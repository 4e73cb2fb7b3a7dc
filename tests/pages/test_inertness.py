"""Mailed links: opening one consumes nothing, and it then works once."""

from urllib.parse import urlsplit

import pytest
import requests

from tests.account.conftest import (
    NEW,
    change_email,
    read_messages,
    request_reset_mail,
    reset_password,
)
from tests.client import PASSWORD, User
from tests.mail_links import read_mail
from tests.mfa.authenticator import Authenticator
from tests.mfa.passkey_sign_up import PasskeyApplicant
from tests.pages.links import ADA, create_invitation_link, create_registration_link

pytestmark = pytest.mark.settings(GATEHOUSE_WORKERS="1")  # a browser keeps one busy


def use_registration(live, tab):
    tab.field("Password").fill(PASSWORD)
    tab.press("Confirm this e-mail address")
    tab.expect_status("Your e-mail address is confirmed. You can sign in now.")


def use_invitation(live, tab):
    tab.field("New password").fill(PASSWORD)
    tab.press("Accept the invitation")
    tab.expect_status("Your account is ready. You can sign in now.")


def create_reset_link(live):
    live.client.sign_up(User(ADA))
    live.post("/auth/password/forgot", {"email": ADA})
    return read_mail(live.client, ADA)["link"]


def use_reset(live, tab):
    """Set another password, and then the one that the test signs in with."""
    tab.field("New password").fill(NEW)
    tab.press("Set the new password")
    tab.expect_status("Your new password is set. You can sign in with it now.")
    reset_password(live.client, PASSWORD, token=request_reset_mail(live.client)["token"])


def create_confirmation_link(live):
    bob = live.client.sign_up(User("bob@example.com"))
    live.client.as_(live.client.log_in(bob)).post("/auth/email/change", {"email": ADA})
    return read_mail(live.client, ADA)["link"]


def use_confirmation(live, tab):
    tab.field("Password").fill(PASSWORD)
    tab.press("Confirm this e-mail address")
    tab.expect_status("Your new e-mail address is confirmed. Sign in with it from now on.")


def create_revert_link(live):
    ada = live.client.sign_up(User(ADA))
    change_email(live.client, live.client.log_in(ada))
    return read_messages(live.client, ADA, "notice_email_changed")[0]["link"]


def use_revert(live, tab):
    """Revert the change, and reset the password, which was deleted."""
    tab.press("Restore the old e-mail address")
    tab.expect_status("Your old e-mail address is restored, and all devices are signed out.")
    reset_password(live.client, PASSWORD, token=request_reset_mail(live.client)["token"])


def create_restoration_link(live):
    ada = live.client.sign_up(User(ADA))
    assert live.client.as_(live.client.log_in(ada)).delete("/auth/me").status_code == 204
    return read_messages(live.client, ADA, "notice_account_deleted")[0]["link"]


def use_restoration(live, tab):
    tab.press("Restore the account")
    tab.expect_status("Restored: you can sign in again.")


WITH_PASSWORD = {"password": PASSWORD}
LINKS = {  # page: create its link, use it, the path and form that the page posts
    "verify-email": (
        lambda live: create_registration_link(live.client),
        use_registration,
        "/auth/email/verify",
        WITH_PASSWORD,
    ),
    "accept-invitation": (
        create_invitation_link,
        use_invitation,
        "/auth/invitation",
        WITH_PASSWORD,
    ),
    "reset-password": (create_reset_link, use_reset, "/auth/password/reset", WITH_PASSWORD),
    "confirm-email": (
        create_confirmation_link,
        use_confirmation,
        "/auth/email/verify",
        WITH_PASSWORD,
    ),
    "restore-account": (create_restoration_link, use_restoration, "/auth/me/restore", {}),
    "undo-email": (create_revert_link, use_revert, "/auth/email/undo", {}),
}


def scan(link, tab):
    """Open a link like a mail scanner; return the statuses, and the URLs of POST requests."""
    statuses = [requests.request(method, link).status_code for method in ("GET", "HEAD", "GET")]
    for _ in range(3):
        tab.open("about:blank")
        tab.open(link)
        tab.page.wait_for_timeout(300)  # milliseconds: a page that posts by itself would have
    return statuses, tab.posted_urls()


@pytest.mark.requirement("RG-10")
@pytest.mark.parametrize("name", LINKS)
def test_link_opened_three_times_without_a_click_consumes_nothing_and_then_works_once(
    live, tab, name
):
    create, use, endpoint, form = LINKS[name]
    link = create(live)
    scanned = scan(link, tab)

    use(live, tab)

    assert scanned == ([200, 200, 200], [])
    assert live.client.log_in(User(ADA))["status"] == "authenticated"
    again = live.post(endpoint, {"token": urlsplit(link).fragment} | form)
    assert (again.status_code, again.json["code"]) == (401, "invalid_code")
    assert tab.console_errors == []


@pytest.mark.requirement("RG-10")
def test_login_link_shows_its_code_after_a_click_and_consumes_nothing(live, tab):
    live.client.sign_up(User(ADA))
    started = live.post("/auth/login/link", {"email": ADA}).json
    link = read_mail(live.client, ADA)["link"]
    scanned = scan(link, tab)
    tab.press("Show the code")
    tab.page.get_by_text(
        "Now enter this code on the page or in the app where you want to sign in."
    ).wait_for()
    code = tab.page.get_by_role("status").inner_text().strip()

    form = {"login_token": started["login_token"], "code": code}
    responses = [live.post("/auth/login/link/verify", form) for _ in range(2)]

    assert scanned == ([200, 200, 200], [])
    assert responses[0].json["status"] == "authenticated"
    assert (responses[1].status_code, responses[1].json["code"]) == (401, "invalid_code")
    assert tab.console_errors == []


def test_code_of_a_passkey_sign_up_is_shown_after_a_click_and_consumes_nothing(live, tab):
    ada = PasskeyApplicant(live.client, authenticator=Authenticator(origin=live.url))
    ada.register()
    scanned = scan(read_mail(live.client, ADA)["code_link"], tab)

    tab.press("Show the code")
    tab.page.get_by_text(
        "Now enter this code on the page or in the app where you are creating the account."
    ).wait_for()
    code = tab.page.get_by_role("status").inner_text().strip()

    assert scanned == ([200, 200, 200], [])
    assert ada.verify_email(code).json["status"] == "verified"
    assert tab.console_errors == []
