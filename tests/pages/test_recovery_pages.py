"""The pages of password reset and e-mail change: nothing happens without a click."""

import pytest
import requests

from tests.account.conftest import ADA, NEW, NEW_ADDRESS, read_messages
from tests.client import PASSWORD, User
from tests.mail_links import read_mail
from tests.pages.conftest import policy_of

pytestmark = pytest.mark.settings(GATEHOUSE_WORKERS="1")  # a browser keeps one busy

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def phone(tab):
    """Return a tab as narrow as a small phone."""
    tab.page.set_viewport_size({"width": 360, "height": 740})
    return tab


def fits_width(tab):
    """Return whether the page does not scroll horizontally."""
    return tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_well_known_change_password_url_redirects_to_the_reset_page(client):
    response = client.get("/.well-known/change-password")

    assert (response.status_code, response.headers["Location"]) == (302, "/forgot-password")


@pytest.mark.requirement("RG-10")
def test_reset_link_changes_nothing_before_the_click(live, phone):
    live.client.sign_up(User(ADA))
    live.post("/auth/password/forgot", {"email": ADA})
    link = read_mail(live.client, ADA)["link"]
    statuses = [requests.request(method, link).status_code for method in ("GET", "HEAD", "GET")]
    phone.open(link)
    phone.page.wait_for_timeout(300)  # milliseconds: a page that posts by itself would have
    posted_before_click = phone.posted_urls()
    purpose = phone.field("New password").get_attribute("autocomplete")

    phone.field("New password").fill("too short")
    phone.press("Set the new password")
    phone.expect_status("15")
    phone.field("New password").fill(NEW)
    phone.page.keyboard.press("Enter")
    phone.expect_status("Your new password is set.")

    assert (statuses, posted_before_click, fits_width(phone)) == ([200] * 3, [], True)
    assert purpose == "new-password"
    assert live.client.log_in(User(ADA, NEW))["status"] == "authenticated"


def test_forgot_password_page_resets_a_password_by_keyboard(live, phone):
    live.client.sign_up(User(ADA))
    phone.open(f"{live.url}/forgot-password")

    phone.field("E-mail address").fill(ADA)
    phone.page.keyboard.press("Enter")
    phone.page.get_by_text("you will receive an e-mail").wait_for()
    phone.page.keyboard.type(read_mail(live.client, ADA)["code"])  # the field has the focus
    phone.page.keyboard.press("Tab")
    phone.page.keyboard.type(NEW)
    phone.page.keyboard.press("Enter")
    phone.expect_status("Your new password is set.")

    assert (phone.console_errors, fits_width(phone)) == ([], True)
    assert live.client.log_in(User(ADA, NEW))["status"] == "authenticated"


@pytest.mark.requirement("RG-10")
def test_email_change_is_confirmed_and_reverted_by_buttons(live, phone):
    ada = live.client.sign_up(User(ADA))
    signed_in = live.client.as_(live.client.log_in(ada))
    signed_in.post("/auth/email/change", {"email": NEW_ADDRESS})

    phone.open(read_mail(live.client, NEW_ADDRESS)["link"])
    phone.field("Password").fill(PASSWORD)
    phone.press("Confirm this e-mail address")
    phone.expect_status("Your new e-mail address is confirmed.")
    confirmed = signed_in.get("/auth/me").json["email"]
    phone.open(read_messages(live.client, ADA, "notice_email_changed")[0]["link"])
    phone.press("Restore the old e-mail address")
    phone.expect_status("Your old e-mail address is restored")
    phone.page.get_by_role("link", name="Choose a new password").click()
    phone.field("E-mail address").wait_for()

    assert confirmed == NEW_ADDRESS
    assert signed_in.get("/auth/me").json["code"] == "token_revoked"
    assert (phone.console_errors, fits_width(phone)) == ([], True)


@pytest.mark.parametrize("page", ["reset-password", "confirm-email", "undo-email"])
def test_link_that_is_unknown_is_no_longer_valid(client, page):
    response = client.get(f"/{page}/{UNKNOWN_ID}")

    assert response.status_code == 404
    assert "This link is no longer valid" in response.text
    assert "nonce-{nonce}" in policy_of(response)
