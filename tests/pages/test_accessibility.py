"""Accessibility of the hosted pages: axe-core finds nothing, in light and dark, on a phone."""

import json

import pytest
from playwright.sync_api import expect

from gatehouse.pages.account import catalogue
from tests.client import User
from tests.pages.axe import COLORS, find_faults
from tests.pages.conftest import ONE_WORKER
from tests.pages.links import create_registration_link
from tests.pages.virtual_authenticator import add_authenticator

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"
EXPIRED = ("verify-email", "reset-password", "accept-invitation", "confirm-email", "login-link")
OF_THE_VIEWER = (
    *("color-contrast", "heading-order", "nested-interactive"),
    *("region", "select-name"),
)
"""Rules that Swagger UI breaks; its README.md lists them."""
NOT_OF_THE_VIEWER = {"rules": {rule: {"enabled": False} for rule in OF_THE_VIEWER}}


@pytest.fixture
def phone(browser):
    """Return the page of a phone into which axe can be loaded."""
    context = browser.new_context(bypass_csp=True, viewport={"width": 390, "height": 844})
    context.set_default_timeout(30_000)  # milliseconds
    yield context.new_page()
    context.close()


def submit_password(page, user):
    page.get_by_label("E-mail, username or phone number", exact=True).fill(user.email)
    page.get_by_label("Password", exact=True).fill(user.password)
    page.get_by_label("Password", exact=True).press("Enter")


def find_faults_of(page, url, *runs, wait_for="h1:visible"):
    page.goto(url)
    expect(page.locator(wait_for).first).to_be_visible(timeout=90_000)  # milliseconds
    return find_faults(page, *runs)


@pytest.mark.settings(**ONE_WORKER)
def test_pages_have_no_accessibility_faults(live, phone):
    link = create_registration_link(live.client)
    live.client.sign_up(User("bob@example.com"))
    live.client.post("/auth/password/forgot", {"email": "bob@example.com"})
    reset = live.client.mailbox(to="bob@example.com")[0]["variables"]["link"]
    paths = ["/", "/account", "/register", "/forgot-password", "/errors", "/dev/mailbox"]
    urls = [live.url + path for path in paths] + [link, reset]
    urls += [f"{live.url}/{page}/{UNKNOWN_ID}" for page in EXPIRED]

    faults = {url: find_faults_of(phone, url, {}, COLORS) for url in urls}

    assert json.dumps({url: found for url, found in faults.items() if found}, indent=1) == "{}"


@pytest.mark.settings(**ONE_WORKER)
def test_account_pages_have_no_accessibility_faults_in_any_of_their_states(live, phone):
    ada = live.client.sign_up(User("ada@example.com"))
    add_authenticator(phone)
    phone.goto(f"{live.url}/account")
    submit_password(phone, ada)
    expect(phone.get_by_text(f"Signed in as {ada.email}.")).to_be_visible()
    faults = {}
    for name in catalogue.TITLES:
        phone.goto(f"{live.url}{catalogue.path_of(name)}")
        faults[name] = find_faults(phone, {}, COLORS)
    phone.goto(f"{live.url}/account/email")
    phone.get_by_label("New e-mail address").fill("new@example.com")
    phone.get_by_role("button", name="Send the code").click()
    phone.get_by_label("Code", exact=True).fill("00000000")
    phone.get_by_role("button", name="Confirm").click()
    expect(phone.get_by_role("status")).to_contain_text("is wrong, has expired")
    faults["error"] = find_faults(phone, {}, COLORS)
    phone.goto(f"{live.url}/account/factors")
    phone.get_by_role("button", name="Set up an authenticator app").click()
    expect(phone.get_by_alt_text("QR code with the secret key")).to_be_visible()
    faults["authenticator app"] = find_faults(phone, {}, COLORS)
    phone.goto(f"{live.url}/account/factors")
    phone.get_by_label("Name of a new passkey").fill("My phone")
    phone.get_by_role("button", name="Add a passkey").click()
    expect(phone.locator("#recovery-codes li")).to_have_count(10)
    faults["recovery codes"] = find_faults(phone, {}, COLORS)
    phone.get_by_role("button", name="Sign out").click()
    submit_password(phone, ada)
    expect(phone.get_by_role("heading", name="One more step")).to_be_visible()
    faults["second step"] = find_faults(phone, {}, COLORS)

    assert json.dumps({state: found for state, found in faults.items() if found}) == "{}"


@pytest.mark.settings(**ONE_WORKER)
def test_docs_page_has_only_the_accessibility_faults_of_its_viewer(live, phone):
    url = f"{live.url}/docs"

    assert find_faults_of(phone, url, NOT_OF_THE_VIEWER, wait_for=".opblock-summary") == []
