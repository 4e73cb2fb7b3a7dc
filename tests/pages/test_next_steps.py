"""Pages lead on: where to go from the root, an expired link, and a finished form."""

import re

import pytest

from tests.client import PASSWORD, User
from tests.pages.links import ADA, create_registration_link

pytestmark = pytest.mark.settings(GATEHOUSE_WORKERS="1")  # a browser keeps one busy

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"
PRODUCTION = {
    "GATEHOUSE_ENV": "production",
    "GATEHOUSE_PUBLIC_URL": "https://id.example.com",
    "GATEHOUSE_BCRYPT_COST": None,
}


def test_root_page_says_what_runs_here_and_where_the_docs_are(client):
    links = links_of(client.get("/"))

    assert links == [
        *("/account", "/register", "/forgot-password"),
        *("/docs", "/errors", "/dev/mailbox"),
    ]


@pytest.mark.settings(GATEHOUSE_REGISTRATION="invitation", **PRODUCTION)
def test_pages_in_production_link_neither_to_the_mailbox_nor_to_a_closed_registration(client):
    links = {path: links_of(client.get(path)) for path in ("/", "/login", "/register")}

    assert links == {
        "/": ["/account", "/forgot-password", "/docs", "/errors"],
        "/login": ["/forgot-password", "/trouble"],
        "/register": ["/account"],
    }
    assert "To create an account here, you need an invitation." in client.get("/register").text


def links_of(page):
    """Return where the links of a page lead."""
    assert page.status_code == 200
    return re.findall(r'<a href="([^"]+)"', page.text)


def test_registration_page_creates_an_account_by_keyboard(live, tab):
    tab.open(f"{live.url}/account")
    tab.page.get_by_role("link", name="Create an account").press("Enter")

    tab.field("E-mail address").press_sequentially(ADA)
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.type("too short")
    tab.page.keyboard.press("Enter")
    tab.expect_status("15")
    tab.field("Password").fill(PASSWORD)
    tab.page.keyboard.press("Enter")
    tab.page.get_by_text("We have sent an e-mail").wait_for()
    tab.page.keyboard.type(live.client.mailbox(to=ADA)[0]["variables"]["code"])  # has the focus
    tab.page.keyboard.press("Enter")
    tab.expect_status("Your e-mail address is confirmed.")

    assert live.client.log_in(User(ADA))["status"] == "authenticated"
    assert tab.requests_to_others(live.url) == []


@pytest.mark.parametrize(
    ("page", "next_pages"),
    [
        ("verify-email", ["/account", "/register"]),
        ("sign-up-code", ["/account", "/register"]),
        ("accept-invitation", ["/account"]),
        ("login-link", ["/account"]),
        ("undo-email", ["/account", "/forgot-password"]),
        ("cancel-mfa-reset", ["/account", "/forgot-password"]),
    ],
)
def test_link_that_is_unknown_is_no_longer_valid_and_leads_on(client, page, next_pages):
    response = client.get(f"/{page}/{UNKNOWN_ID}")

    assert response.status_code == 404
    assert "This link is no longer valid" in response.text
    assert re.findall(r'<a href="([^"]+)"', response.text) == next_pages


def test_expired_link_page_sends_a_new_link_by_keyboard(live, tab):
    create_registration_link(live.client)
    tab.open(f"{live.url}/verify-email/{UNKNOWN_ID}")

    tab.field("E-mail address").focus()
    tab.page.keyboard.type(ADA)
    tab.page.keyboard.press("Enter")
    tab.expect_status("you will receive an e-mail with a new link")
    tab.open(live.client.mailbox(to=ADA)[0]["variables"]["link"])
    tab.field("Password").fill(PASSWORD)
    tab.press("Confirm this e-mail address")
    tab.expect_status("Your e-mail address is confirmed.")
    tab.field("Password").fill(PASSWORD)
    tab.field("E-mail, username or phone number").fill(ADA)
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**/account")

    assert len(live.client.mailbox(to=ADA)) == 2


def test_expired_reset_link_sends_a_new_one(live, tab):
    live.client.sign_up(User(ADA))
    tab.open(f"{live.url}/reset-password/{UNKNOWN_ID}")

    tab.field("E-mail address").fill(ADA)
    tab.press("Send a new link")
    tab.page.get_by_text("you will receive an e-mail").wait_for()

    assert "/reset-password/" in live.client.mailbox(to=ADA)[0]["variables"]["link"]
