"""The pages of a sign-in in Chromium: from an application's request to its callback, and back."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect
from pytest_httpserver import HTTPServer

from gatehouse.core import crypto
from models import OAuthClient, OAuthClientSecret
from tests.client import User
from tests.conftest import running
from tests.oauth.conftest import add_row, client_columns
from tests.oauth.relying_party import RelyingParty, secret_of
from tests.pages.axe import COLORS, find_faults
from tests.pages.conftest import ONE_WORKER, Tab
from tests.pages.virtual_authenticator import add_authenticator

REQUIRED = ONE_WORKER | {"GATEHOUSE_MFA": "required"}

with_and_without_scripts = pytest.mark.parametrize("scripts", [True, False], ids=["js", "no js"])


@pytest.fixture
def callback():
    """The redirect URI of an application that shows a page with its name."""
    page = (
        "<!doctype html><html lang=en><link rel=icon href=data:,><title>Shop</title><h1>Shop</h1>"
    )
    with HTTPServer() as application:
        application.expect_request("/callback").respond_with_data(page, content_type="text/html")
        yield application.url_for("/callback")


@pytest.fixture
def party(live, callback):
    """A relying party whose application asks each user once."""
    row = OAuthClient(**client_columns(redirect_uris=[callback], consent="once"))
    secret = {
        "id": crypto.new_id(),
        "client_id": "shop",
        "digest": crypto.digest(secret_of("shop")),
    }
    with running(live.environment) as app:
        registered = add_row(app, row, OAuthClientSecret(**secret))
    return RelyingParty(live.new_connection, registered, live.url)


@pytest.fixture
def open_tab(browser):
    contexts = []

    def open_tab(**options):
        context = browser.new_context(viewport={"width": 390, "height": 844}, **options)
        context.set_default_timeout(30_000)  # milliseconds
        contexts.append(context)
        return Tab(context)

    yield open_tab
    for context in contexts:
        context.close()


def enter_password(tab, user):
    tab.field("E-mail, username or phone number").fill(user.email)
    tab.field("Password").fill(user.password)
    tab.page.get_by_role("button", name="Sign in", exact=True).click()


def allow(tab):
    tab.page.get_by_role("button", name="Allow", exact=True).click()


def expect_application(tab):
    expect(tab.page.get_by_role("heading", name="Shop", exact=True)).to_be_visible()
    assert "/callback" in tab.page.url


@pytest.mark.settings(**ONE_WORKER)
@with_and_without_scripts
def test_user_signs_in_with_two_factors_consents_and_goes_back(live, party, open_tab, scripts):
    ann = live.client.sign_up(User("ann@example.com"))
    live.client.log_in(ann)
    live.client.enrol_totp(ann)
    tab = open_tab(java_script_enabled=scripts)

    tab.open(party.authorization_url())
    enter_password(tab, ann)
    tab.page.get_by_label("Enter the code").fill(ann.totp())
    tab.press("Continue")
    allow(tab)
    expect_application(tab)

    assert "code=" in tab.page.url
    tab.open(party.authorization_url(prompt="login"))
    tab.field("Password").fill(ann.password)
    tab.page.get_by_role("button", name="Continue").first.click()
    expect_application(tab)
    assert "code=" in tab.page.url
    assert tab.console_errors == []


@pytest.mark.settings(**ONE_WORKER)
def test_error_appears_in_place_and_nothing_typed_is_lost(live, party, open_tab):
    ann = live.client.sign_up(User("ann@example.com"))
    tab = open_tab()
    tab.open(party.authorization_url())
    page = tab.page.url

    enter_password(tab, User(ann.email, "a wrong password"))
    tab.expect_status("is wrong")

    assert tab.page.url == page
    assert tab.field("E-mail, username or phone number").input_value() == ann.email
    assert tab.field("Password").input_value() == "a wrong password"
    expect(tab.page.get_by_role("status")).to_be_focused()
    tab.page.context.set_offline(True)
    tab.page.get_by_role("button", name="Sign in", exact=True).click()
    tab.expect_status("cannot be reached")
    tab.page.context.set_offline(False)
    enter_password(tab, ann)
    allow(tab)
    expect_application(tab)


@pytest.mark.settings(**ONE_WORKER)
@with_and_without_scripts
def test_answer_in_a_form_reaches_the_application(live, party, callback, open_tab, scripts):
    ann = live.client.sign_up(User("ann@example.com"))
    tab = open_tab(java_script_enabled=scripts)

    tab.open(party.authorization_url(response_mode="form_post"))
    enter_password(tab, ann)
    allow(tab)
    if not scripts:
        tab.press("Continue")
    expect_application(tab)

    assert callback in tab.posted_urls()
    assert tab.console_errors == []


@pytest.mark.settings(**REQUIRED)
@with_and_without_scripts
def test_required_factor_is_set_up_and_its_codes_are_shown(live, party, open_tab, scripts):
    ann = live.client.sign_up(User("ann@example.com"))
    tab = open_tab(java_script_enabled=scripts)

    tab.open(party.authorization_url())
    enter_password(tab, ann)
    tab.press("Authenticator app")
    image = tab.page.get_by_alt_text("QR code with the secret key")
    expect(image).to_be_visible()
    if scripts:
        assert image.evaluate("image => image.naturalWidth") > 0
    ann.secret = tab.page.locator("#secret").text_content()
    tab.field("The code that the app shows").fill(ann.totp())
    tab.press("Confirm")
    expect(tab.page.locator("#recovery-codes li")).to_have_count(10)
    tab.page.get_by_role("link", name="I have saved the codes").click()
    allow(tab)
    expect_application(tab)

    assert tab.console_errors == []


@pytest.mark.settings(**ONE_WORKER)
def test_passkey_signs_in_to_an_application(live, party, open_tab):
    ann = live.client.sign_up(User("ann@example.com"))
    tab = open_tab()
    add_authenticator(tab.page)
    tab.open(f"{live.url}/account/factors")
    enter_password(tab, ann)
    tab.field("Name of a new passkey").fill("My phone")
    tab.press("Add a passkey")
    expect(tab.page.locator("#recovery-codes li")).to_have_count(10)
    tab.press("Sign out")
    expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible()

    tab.open(party.authorization_url())
    tab.press("Sign in with a passkey")
    allow(tab)
    expect_application(tab)

    assert "code=" in tab.page.url


@pytest.mark.settings(**ONE_WORKER, GATEHOUSE_CAPTCHA_LOGIN="always", GATEHOUSE_CAPTCHA_COST="50")
def test_captcha_is_solved_by_the_page_at_each_attempt(live, party, open_tab):
    ann = User("ann@example.com")
    live.client.sign_up(ann)
    tab = open_tab()

    tab.open(party.authorization_url())
    enter_password(tab, User(ann.email, "a wrong password"))
    tab.expect_status("is wrong")
    enter_password(tab, ann)
    allow(tab)
    expect_application(tab)

    statuses = [request.response().status for request in tab.requests if request.method == "POST"]
    assert statuses == [401, 204, 303]  # the script sends the password, the browser the consent


@pytest.mark.settings(**ONE_WORKER)
def test_back_button_and_an_old_tab_lead_on(live, party, open_tab):
    ann = live.client.sign_up(User("ann@example.com"))
    tab = open_tab()
    tab.open(party.authorization_url())
    old = tab.page.url
    enter_password(tab, ann)
    allow(tab)
    expect_application(tab)

    tab.page.go_back()
    expect(tab.page.get_by_role("heading").first).to_be_visible()
    tab.open(old)
    enter_password(tab, ann)
    expect_application(tab)

    assert "code=" in tab.page.url


@pytest.mark.settings(**REQUIRED)
def test_pages_of_a_sign_in_have_no_accessibility_faults(live, party, open_tab):
    ann = live.client.sign_up(User("ann@example.com"))
    tab, faults = open_tab(bypass_csp=True), {}

    def check(state, heading):
        expect(tab.page.get_by_role("heading", name=heading).first).to_be_visible()
        faults[state] = find_faults(tab.page, {}, COLORS)

    tab.open(party.authorization_url())
    check("sign-in", "Sign in")
    enter_password(tab, User(ann.email, "a wrong password"))
    tab.expect_status("is wrong")
    check("error", "Sign in")
    enter_password(tab, ann)
    check("enrolment", "Set up a second factor")
    tab.press("Authenticator app")
    check("authenticator app", "Scan this QR code")
    ann.secret = tab.page.locator("#secret").text_content()
    tab.field("The code that the app shows").fill(ann.totp(-1))
    tab.press("Confirm")
    check("recovery codes", "Your recovery codes")
    tab.page.get_by_role("link", name="I have saved the codes").click()
    check("consent", "Allow Shop?")
    allow(tab)
    expect_application(tab)
    tab.open(party.authorization_url(prompt="login"))
    check("confirmation", "Confirm that it is you")
    tab.open(party.authorization_url(prompt="select_account"))
    check("choice", "Choose an account")
    tab.open(f"{live.url}/oauth2/authorize?client_id=unknown")
    check("request", "This did not work")
    tab.page.context.clear_cookies()
    tab.open(party.authorization_url())
    enter_password(tab, ann)
    check("second step", "One more step")

    assert json.dumps({state: found for state, found in faults.items() if found}, indent=1) == "{}"
