"""Every link that is mailed: opened without a press it uses nothing up, and then works once."""

from urllib.parse import urlsplit

import pytest
import requests

from tests.account.conftest import change_email, mails, reset, reset_mail
from tests.client import PASSWORD, User
from tests.letters import letter
from tests.pages.links import ADA, invitation_link, registration_link

pytestmark = pytest.mark.settings(GATEHOUSE_WORKERS="1")  # a browser keeps one busy


def use_registration(live, tab):
    tab.field("Password").fill(PASSWORD)
    tab.press("Confirm this e-mail address")
    tab.reads("Your e-mail address is verified. You can sign in now.")


def use_invitation(live, tab):
    tab.field("New password").fill(PASSWORD)
    tab.press("Accept the invitation")
    tab.reads("Your account is ready. You can sign in now.")


def reset_link(live):
    live.client.sign_up(User(ADA))
    live.post("/auth/password/forgot", {"email": ADA})
    return letter(live.client, ADA)["link"]


def use_reset(live, tab):
    tab.field("New password").fill(PASSWORD)
    tab.press("Set the new password")
    tab.reads("Your new password is set. You can sign in with it now.")


def confirmation_link(live):
    bob = live.client.sign_up(User("bob@example.com"))
    live.client.as_(live.client.log_in(bob)).post("/auth/email/change", {"email": ADA})
    return letter(live.client, ADA)["link"]


def use_confirmation(live, tab):
    tab.field("Password").fill(PASSWORD)
    tab.press("Confirm this e-mail address")
    tab.reads("Your new e-mail address is confirmed. Sign in with it from now on.")


def undo_link(live):
    ada = live.client.sign_up(User(ADA))
    change_email(live.client, live.client.log_in(ada))
    return mails(live.client, ADA, "notice_email_changed")[0]["link"]


def use_undo(live, tab):
    """Take the account back; its password does not work any more, so choose it anew."""
    tab.press("Restore the old e-mail address")
    tab.reads("Your old e-mail address is restored, and all devices are signed out.")
    reset(live.client, PASSWORD, token=reset_mail(live.client)["token"])


WITH_PASSWORD = {"password": PASSWORD}
MAILED = {  # page: how one gets its link, how one uses it, where and what that posts
    "verify-email": (
        lambda live: registration_link(live.client),
        use_registration,
        "/auth/email/verify",
        WITH_PASSWORD,
    ),
    "accept-invitation": (invitation_link, use_invitation, "/auth/invitation", WITH_PASSWORD),
    "reset-password": (reset_link, use_reset, "/auth/password/reset", WITH_PASSWORD),
    "confirm-email": (confirmation_link, use_confirmation, "/auth/email/verify", WITH_PASSWORD),
    "undo-email": (undo_link, use_undo, "/auth/email/undo", {}),
}


def scan(link, tab):
    """Open a link as mail scanners do; return what was answered, and what the page posted."""
    answers = [requests.request(method, link).status_code for method in ("GET", "HEAD", "GET")]
    for _ in range(3):
        tab.open("about:blank")
        tab.open(link)
        tab.page.wait_for_timeout(300)  # milliseconds: a page that posts by itself would have
    return answers, tab.posts()


@pytest.mark.requirement("RG-10")
@pytest.mark.parametrize("name", MAILED)
def test_a_link_opened_three_times_without_a_click_burns_nothing_and_then_works_once(
    live, tab, name
):
    get, use, endpoint, more = MAILED[name]
    link = get(live)
    found = scan(link, tab)

    use(live, tab)

    assert found == ([200, 200, 200], [])
    assert live.client.log_in(User(ADA))["status"] == "authenticated"
    again = live.post(endpoint, {"token": urlsplit(link).fragment} | more)
    assert (again.status_code, again.json["code"]) == (401, "invalid_code")
    assert tab.complaints == []


@pytest.mark.requirement("RG-10")
def test_a_link_to_sign_in_shows_its_code_at_a_press_and_uses_nothing_up(live, tab):
    live.client.sign_up(User(ADA))
    asked = live.post("/auth/login/link", {"email": ADA}).json
    link = letter(live.client, ADA)["link"]
    found = scan(link, tab)
    tab.press("Show the code")
    tab.page.get_by_text("Enter this code where you requested the link.").wait_for()
    code = tab.page.get_by_role("status").inner_text().strip()

    proof = {"login_token": asked["login_token"], "code": code}
    answers = [live.post("/auth/login/link/verify", proof) for _ in range(2)]

    assert found == ([200, 200, 200], [])
    assert answers[0].json["status"] == "authenticated"
    assert (answers[1].status_code, answers[1].json["code"]) == (401, "invalid_code")
    assert tab.complaints == []
