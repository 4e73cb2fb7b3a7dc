"""The pages that bring an account back: nothing happens without a click."""

import pytest
import requests

from tests.account.conftest import ADA, NEW, NEW_ADDRESS, mails
from tests.client import PASSWORD, User
from tests.letters import letter
from tests.pages.conftest import policy_of

pytestmark = pytest.mark.settings(GATEHOUSE_WORKERS="1")  # a browser keeps one busy

STRANGER = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
def phone(tab):
    """A tab as wide as a small phone's."""
    tab.page.set_viewport_size({"width": 360, "height": 740})
    return tab


def fits(tab):
    """Tell whether nothing stands beyond the right edge."""
    return tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_well_known_address_leads_to_where_a_password_is_changed(client):
    answer = client.get("/.well-known/change-password")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/forgot-password")


@pytest.mark.requirement("RG-10")
def test_a_reset_link_is_inert_until_the_button_is_pressed(live, phone):
    live.client.sign_up(User(ADA))
    live.post("/auth/password/forgot", {"email": ADA})
    link = letter(live.client, ADA)["link"]
    scans = [requests.request(method, link).status_code for method in ("GET", "HEAD", "GET")]
    phone.open(link)
    phone.page.wait_for_timeout(300)  # milliseconds: a page that posts by itself would have
    posted_unasked = phone.posts()

    phone.field("New password").fill("too short")
    phone.press("Set the new password")
    phone.reads("15")
    phone.field("New password").fill(NEW)
    phone.page.keyboard.press("Enter")
    phone.reads("Your new password is set.")

    assert (scans, posted_unasked, fits(phone)) == ([200] * 3, [], True)
    assert phone.page.get_by_label("New password").get_attribute("autocomplete") == "new-password"
    assert live.client.log_in(User(ADA, NEW))["status"] == "authenticated"


def test_a_forgotten_password_is_replaced_on_one_page_by_keyboard(live, phone):
    live.client.sign_up(User(ADA))
    phone.open(f"{live.url}/forgot-password")

    phone.field("E-mail address").fill(ADA)
    phone.page.keyboard.press("Enter")
    phone.page.get_by_text("you will receive an e-mail").wait_for()
    phone.page.keyboard.type(letter(live.client, ADA)["code"])  # the field has the focus
    phone.page.keyboard.press("Tab")
    phone.page.keyboard.type(NEW)
    phone.page.keyboard.press("Enter")
    phone.reads("Your new password is set.")

    assert (phone.complaints, fits(phone)) == ([], True)
    assert live.client.log_in(User(ADA, NEW))["status"] == "authenticated"


@pytest.mark.requirement("RG-10")
def test_a_new_address_is_confirmed_and_taken_back_by_a_button(live, phone):
    ada = live.client.sign_up(User(ADA))
    mine = live.client.as_(live.client.log_in(ada))
    mine.post("/auth/email/change", {"email": NEW_ADDRESS})

    phone.open(letter(live.client, NEW_ADDRESS)["link"])
    phone.field("Password").fill(PASSWORD)
    phone.press("Confirm this e-mail address")
    phone.reads("Your new e-mail address is confirmed.")
    confirmed = mine.get("/auth/me").json["email"]
    phone.open(mails(live.client, ADA, "notice_email_changed")[0]["link"])
    phone.press("Restore the old e-mail address")
    phone.reads("Your old e-mail address is restored")
    phone.page.get_by_role("link", name="Choose a new password").click()
    phone.field("E-mail address").wait_for()

    assert confirmed == NEW_ADDRESS
    assert mine.get("/auth/me").json["code"] == "token_revoked"
    assert (phone.complaints, fits(phone)) == ([], True)


@pytest.mark.parametrize("page", ["reset-password", "confirm-email", "undo-email"])
def test_a_link_that_nobody_sent_is_no_longer_valid(client, page):
    answer = client.get(f"/{page}/{STRANGER}")

    assert answer.status_code == 404
    assert "This link is no longer valid" in answer.text
    assert "nonce-{nonce}" in policy_of(answer)
