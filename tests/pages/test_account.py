"""The account page, in a real browser with a virtual authenticator."""

import re
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import expect

from tests.client import PASSWORD, User
from tests.conftest import environment
from tests.live_server import LiveServer
from tests.pages.conftest import CLIPBOARD, Tab
from tests.pages.virtual_authenticator import add_authenticator

SIGN = """options => navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)
}).then(credential => credential.toJSON(), error => error.name)"""


@pytest.fixture(scope="module")
def server(sqlite_store, tmp_path_factory):
    """Run one server for all tests of this file; each has its own user."""
    with sqlite_store.fresh() as url:
        settings = environment(url)
        del settings["GATEHOUSE_PUBLIC_URL"]
        server = LiveServer(settings, tmp_path_factory.mktemp("server") / "server.log")
        try:
            server.start()
            yield server
        finally:
            server.kill()


@pytest.fixture
def user(server, request):
    """Return a user with a password and no factor."""
    name = re.sub(r"\W", "", request.node.name)[-40:]
    return server.client.sign_up(User(f"{name}@example.com"))


@pytest.fixture
def context(browser):
    options = {"viewport": {"width": 360, "height": 740}, "permissions": CLIPBOARD}
    context = browser.new_context(**options)
    context.set_default_timeout(30_000)  # milliseconds
    yield context
    context.close()


@pytest.fixture
def tab(context, server):
    """Return a narrow tab with an authenticator, on the way to the page of the factors."""
    tab = Tab(context)
    add_authenticator(tab.page)
    tab.open(f"{server.url}/account/factors")
    return tab


def sign_in(tab, user):
    tab.field("E-mail, username or phone number").fill(user.email)
    tab.field("Password").fill(PASSWORD)
    tab.field("Password").press("Enter")


def sign_out(tab):
    tab.press("Sign out")
    expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible()


def expect_signed_in(tab, user):
    expect(tab.page.get_by_text(f"Signed in as {user.email}.")).to_be_visible()


def is_narrow(tab):
    return tab.page.evaluate("document.documentElement.scrollWidth <= 360")


def read_codes(tab):
    """Wait until the page shows ten recovery codes, and return them."""
    codes = tab.page.locator("#recovery-codes li")
    expect(codes).to_have_count(10)
    return codes.all_inner_texts()


def copy_codes(tab):
    tab.press("Copy the codes")
    tab.expect_status("The codes are copied.")
    return tab.page.evaluate("navigator.clipboard.readText()")


def save_codes(tab):
    with tab.page.expect_download() as download:
        tab.press("Save as a file")
    assert download.value.suggested_filename == "recovery-codes.txt"
    return Path(download.value.path()).read_text()


def texts_on_paper(tab):
    """Return the lines of the page that are printed."""
    tab.page.emulate_media(media="print")
    lines = set(tab.page.locator("body").inner_text().splitlines())
    tab.page.emulate_media(media="screen")
    return lines


def add_passkey(tab, label="My phone"):
    tab.field("Name of a new passkey").fill(label)
    tab.press("Add a passkey")
    expect(tab.page.locator("#recovery")).to_be_focused()


@pytest.mark.requirement("MF-11")
def test_account_page_adds_a_passkey_and_signs_in_with_it_alone(server, tab, user):
    sign_in(tab, user)
    expect_signed_in(tab, user)
    add_passkey(tab)
    codes = read_codes(tab)
    copied, saved = copy_codes(tab), save_codes(tab)
    printed = texts_on_paper(tab)
    is_narrow_with_codes = is_narrow(tab)
    tab.page.get_by_role("link", name="I have saved the codes").click()
    expect(tab.page.get_by_text("Passkey “My phone”").first).to_be_visible()
    is_narrow_with_passkey = is_narrow(tab)
    sign_out(tab)

    tab.press("Sign in with a passkey")
    expect_signed_in(tab, user)

    me = tab.page.evaluate("fetch('/auth/sessions').then(answer => answer.json())")
    assert "mfa" in me["items"][0]["amr"]
    assert (copied.split(), saved.split()[-10:]) == (codes, codes)
    assert "Your recovery codes" in printed
    assert not printed.intersection(("Sign out", "Print", "Add a passkey", "Profile"))
    assert is_narrow_with_codes
    assert is_narrow_with_passkey
    assert tab.requests_to_others(server.url) == []


def test_account_page_asks_for_the_passkey_after_the_password(tab, user):
    sign_in(tab, user)
    expect_signed_in(tab, user)
    add_passkey(tab, "Desk")
    sign_out(tab)

    sign_in(tab, user)
    expect(tab.page.get_by_role("heading", name="One more step")).to_be_visible()
    tab.press("Passkey “Desk”")

    expect_signed_in(tab, user)


def test_account_page_sets_up_an_authenticator_app_and_asks_for_it(tab, user):
    sign_in(tab, user)
    expect_signed_in(tab, user)
    tab.press("Set up an authenticator app")
    expect(tab.page.get_by_alt_text("QR code with the secret key")).to_be_visible()
    is_qr_code_shown = tab.page.evaluate("document.querySelector('.qr').decode().then(() => true)")
    secret = tab.page.locator("#secret").inner_text()
    tab.field("The code that the app shows").fill("000000")
    tab.press("Confirm")
    expect(tab.page.locator("#result.bad")).to_be_visible()
    tab.field("The code that the app shows").fill(pyotp.TOTP(secret).now())
    tab.press("Confirm")
    [code, *_] = read_codes(tab)
    sign_out(tab)

    sign_in(tab, user)
    tab.press("Recovery code")
    tab.page.get_by_label("Enter the code (Recovery code)").fill(code)
    tab.press("Continue")

    expect_signed_in(tab, user)
    assert is_qr_code_shown


def test_account_page_is_in_the_language_of_the_browser(browser, server, user):
    with browser.new_context(locale="de-DE") as context:
        tab = Tab(context)
        tab.open(f"{server.url}/account")
        tab.field("E-Mail, Benutzername oder Telefonnummer").fill(user.email)
        tab.field("Passwort").fill(PASSWORD)
        tab.field("Passwort").press("Enter")
        expect(tab.page.get_by_text(f"Angemeldet als {user.email}.")).to_be_visible()
        expect(tab.page.get_by_role("heading", name="Ihr Konto")).to_be_visible()
        tab.press("Abmelden")
        expect(tab.page.get_by_role("heading", name="Anmelden")).to_be_visible()


@pytest.mark.requirement("WA-03")
def test_passkey_assertion_of_another_port_is_rejected(server, tab, user):
    sign_in(tab, user)
    expect_signed_in(tab, user)
    add_passkey(tab)
    phishing_page = "<!doctype html><title>Phish</title>"
    tab.page.route(
        "**/*", lambda route: route.fulfill(body=phishing_page, content_type="text/html")
    )
    options = server.post("/auth/passkeys/authentication/options").json

    tab.open("http://localhost:4567/")
    credential = tab.page.evaluate(SIGN, options["public_key"])
    form = {"login_token": options["login_token"], "credential": credential}
    response = server.post("/auth/passkeys/authentication/verify", form)

    assert credential["type"] == "public-key"
    assert (response.status_code, response.json["code"]) == (401, "invalid_code")


@pytest.mark.requirement("WA-03")
def test_passkey_cannot_be_used_by_another_host(server, tab):
    options = server.post("/auth/passkeys/authentication/options").json

    tab.open(server.url.replace("localhost", "127.0.0.1") + "/account")
    expect(tab.page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()

    assert tab.page.evaluate(SIGN, options["public_key"]) == "SecurityError"
    tab.press("Sign in with a passkey")
    tab.expect_status("Only pages of")  # nor does the page request options at this URL


@pytest.mark.requirement("PW-14")
def test_account_page_masks_the_password_supports_password_managers_and_the_keyboard(tab, user):
    field = tab.field("Password")
    masked, autocomplete = field.get_attribute("type"), field.get_attribute("autocomplete")
    tab.field("E-mail, username or phone number").focus()
    tab.page.keyboard.type(user.email)
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.type("a wrong password")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Space")
    shown = field.get_attribute("type")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")

    tab.expect_status("The identifier or the password is wrong.")

    assert (masked, autocomplete, shown) == ("password", "current-password", "text")
    assert is_narrow(tab)


def test_account_pages_work_by_keyboard_and_without_scripts(browser, server, user):
    with browser.new_context(java_script_enabled=False) as context:
        tab = Tab(context)
        tab.open(f"{server.url}/account/password")
        sign_in(tab, user)
        expect_signed_in(tab, user)
        tab.field("Current password").press_sequentially("a wrong password")
        tab.page.keyboard.press("Tab")
        tab.page.keyboard.type("another unlikely phrase 43")
        tab.page.keyboard.press("Enter")
        tab.expect_status("The current password is wrong.")
        tab.field("Current password").fill(PASSWORD)
        tab.field("New password").fill("another unlikely phrase 43")
        tab.page.keyboard.press("Enter")
        tab.expect_status("Your password is changed.")
        tab.page.get_by_role("link", name="Profile").press("Enter")
        tab.field("Your name").fill("Ada")
        tab.page.keyboard.press("Enter")
        tab.expect_status("Your changes are saved.")

        assert tab.field("Your name").input_value() == "Ada"
        assert tab.requests_to_others(server.url) == []
