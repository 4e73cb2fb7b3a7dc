"""Registration, password reset, recovery and login links in Chromium, with and without scripts."""

import json

import pytest
from playwright.sync_api import expect

from tests.account.conftest import ADA, NEW
from tests.client import PASSWORD, User
from tests.mail_links import read_mail
from tests.pages.axe import COLORS, find_faults
from tests.pages.conftest import ONE_WORKER, Tab

pytestmark = pytest.mark.settings(**ONE_WORKER)
with_and_without_scripts = pytest.mark.parametrize("scripts", [True, False], ids=["js", "no js"])
IDENTIFIER = "E-mail, username or phone number"


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


def expect_heading(tab, name):
    expect(tab.page.get_by_role("heading", name=name).first).to_be_visible()


def expect_account(tab):
    tab.page.wait_for_url("**/account*")


@with_and_without_scripts
def test_user_registers_with_the_keyboard_alone_and_signs_in(live, open_tab, scripts):
    tab = open_tab(java_script_enabled=scripts)
    keyboard = tab.page.keyboard
    tab.open(f"{live.url}/login")
    tab.page.get_by_role("link", name="Create an account").press("Enter")
    expect_heading(tab, "Create an account")

    tab.field("E-mail address").focus()
    keyboard.type(ADA)
    keyboard.press("Tab")
    keyboard.type("too short")
    keyboard.press("Enter")
    tab.expect_status("15")
    expect(tab.field("E-mail address")).to_have_value(ADA)
    tab.field("Password").fill(PASSWORD)
    keyboard.press("Enter")
    expect_heading(tab, "Confirm your e-mail address")
    expect(tab.field("Code")).to_be_focused()
    keyboard.type(read_mail(live.client, ADA)["code"])
    keyboard.press("Enter")
    tab.expect_status("Your e-mail address is confirmed.")
    expect(tab.field(IDENTIFIER)).to_have_value(ADA)
    tab.field("Password").focus()
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    expect_account(tab)

    assert tab.requests_to_others(live.url) == []


@with_and_without_scripts
def test_forgotten_password_in_german_and_the_login_link_after_it(live, open_tab, scripts):
    live.client.sign_up(User(ADA))
    tab = open_tab(java_script_enabled=scripts, locale="de-DE")
    tab.open(f"{live.url}/forgot-password")

    tab.field("E-Mail-Adresse").fill(ADA)
    tab.press("Code senden")
    expect(tab.field("Neues Passwort")).to_be_visible()
    tab.field("Code").fill(read_mail(live.client, ADA)["code"])
    tab.field("Neues Passwort").fill(NEW)
    tab.press("Neues Passwort festlegen")
    tab.expect_status("Ihr neues Passwort ist festgelegt.")
    tab.open(f"{live.url}/trouble")
    tab.page.get_by_role("link", name="Stattdessen mit einem Link per E-Mail anmelden").click()
    tab.field("E-Mail-Adresse").fill(ADA)
    tab.press("Link senden")
    expect_heading(tab, "Sehen Sie in Ihr Postfach")
    tab.field("Code").fill(read_mail(live.client, ADA)["code"])
    tab.press("Anmelden")
    expect_account(tab)

    assert live.client.log_in(User(ADA, NEW))["status"] == "authenticated"


@with_and_without_scripts
def test_mailed_link_is_pasted_without_scripts_and_read_with_them(live, open_tab, scripts):
    live.client.sign_up(User(ADA))
    live.post("/auth/password/forgot", {"email": ADA})
    link = read_mail(live.client, ADA)["link"]
    tab = open_tab(java_script_enabled=scripts)
    tab.open(link)

    if not scripts:
        tab.field("Paste the link from the e-mail here").fill(link)
    for password, sentence in (("too short", "15"), (NEW, "Your new password is set.")):
        tab.field("New password").fill(password)
        tab.press("Set the new password")
        tab.expect_status(sentence)

    assert "#" not in tab.page.url
    assert live.client.log_in(User(ADA, NEW))["status"] == "authenticated"


def test_recovery_pages_have_no_accessibility_faults_in_any_state(live, open_tab):
    ada = live.client.sign_up(User(ADA))
    live.client.log_in(ada)
    live.client.enrol_totp(ada)
    tab, faults = open_tab(bypass_csp=True), {}

    def check(state, heading):
        expect_heading(tab, heading)
        faults[state] = find_faults(tab.page, {}, COLORS)

    def submit(email, button):
        tab.field("E-mail address").fill(email)
        tab.press(button)

    tab.open(f"{live.url}/trouble")
    check("trouble", "Trouble signing in?")
    tab.open(f"{live.url}/register")
    tab.field("Password").fill("too short")
    submit("eve@example.com", "Create an account")
    tab.expect_status("15")
    check("register, error", "Create an account")
    tab.field("Password").fill(PASSWORD)
    tab.press("Create an account")
    check("register, code", "Confirm your e-mail address")
    tab.open(f"{live.url}/register/code")
    check("register, code alone", "Confirm your e-mail address")
    tab.open(f"{live.url}/login/link")
    check("login link", "Sign in by e-mail")
    submit(ADA, "Send the link")
    check("login link, code", "Look into your mail")
    tab.open(read_mail(live.client, ADA)["link"])
    tab.press("Show the code")
    check("link, code", "Your code")
    tab.open(f"{live.url}/mfa-recovery")
    submit(ADA, "Send the code")
    expect(tab.field("Code")).to_be_visible()
    tab.field("Code").fill(read_mail(live.client, ADA)["code"])
    tab.press("Remove my second factors")
    tab.expect_status("one of the two")
    check("recovery, error", "Lost second factor")
    tab.field("Password").fill(PASSWORD)
    tab.press("Remove my second factors")
    check("recovery, done", "Your second factors are about to be removed")

    assert json.dumps({state: found for state, found in faults.items() if found}, indent=1) == "{}"
