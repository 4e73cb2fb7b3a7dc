"""The page of one's own account, with a real browser and its virtual authenticator."""

import re

import pyotp
import pytest
from playwright.sync_api import expect

from tests.client import PASSWORD, User
from tests.conftest import environment
from tests.live import LiveServer
from tests.pages.conftest import Tab

AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
SIGN = """options => navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)
}).then(credential => credential.toJSON(), problem => problem.name)"""


@pytest.fixture(scope="module")
def server(sqlite_store, tmp_path_factory):
    """Lend one server to all tests of this file; each has a person of its own."""
    with sqlite_store.fresh() as url:
        wanted = environment(url)
        del wanted["GATEHOUSE_PUBLIC_URL"]
        server = LiveServer(wanted, tmp_path_factory.mktemp("server") / "server.log")
        try:
            server.start()
            yield server
        finally:
            server.kill()


@pytest.fixture
def person(server, request):
    """Somebody with a password and nothing else."""
    name = re.sub(r"\W", "", request.node.name)[-40:]
    return server.client.sign_up(User(f"{name}@example.com"))


@pytest.fixture
def context(browser):
    context = browser.new_context(viewport={"width": 360, "height": 740})
    context.set_default_timeout(10_000)  # milliseconds
    yield context
    context.close()


@pytest.fixture
def tab(context, server):
    """A narrow tab at the account page, on a device with an authenticator."""
    tab = Tab(context)
    plug_in(tab.page)
    tab.open(f"{server.url}/account")
    return tab


def plug_in(page):
    """Give a page an authenticator that finds its user present and verified."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})


def sign_in(tab, person):
    tab.field("E-mail, username or phone number").fill(person.email)
    tab.field("Password").fill(PASSWORD)
    tab.field("Password").press("Enter")


def signed_in_as(tab, person):
    expect(tab.page.get_by_text(f"Signed in as {person.email}.")).to_be_visible()


def is_narrow(tab):
    return tab.page.evaluate("document.documentElement.scrollWidth <= 360")


def add_passkey(tab, label="My phone"):
    tab.field("Name of a new passkey").fill(label)
    tab.press("Add a passkey")
    tab.reads("Your passkey is ready.")


@pytest.mark.requirement("MF-11")
def test_a_person_adds_a_passkey_and_signs_in_with_it_alone(server, tab, person):
    sign_in(tab, person)
    signed_in_as(tab, person)
    add_passkey(tab)
    expect(tab.page.get_by_text('Passkey "My phone"').first).to_be_visible()
    codes = tab.page.locator("#recovery-codes li").all_inner_texts()
    fits = is_narrow(tab)
    tab.press("Sign out")
    tab.reads("You are signed out.")

    tab.press("Sign in with a passkey")
    signed_in_as(tab, person)

    me = tab.page.evaluate("fetch('/auth/sessions').then(answer => answer.json())")
    assert "mfa" in me["items"][0]["amr"]
    assert len(codes) == 10
    assert fits
    assert tab.page.locator("#recovery-codes li").all_inner_texts() == []
    assert tab.foreign_requests(server.url) == []


def test_after_a_password_a_passkey_is_asked_for(tab, person):
    sign_in(tab, person)
    signed_in_as(tab, person)
    add_passkey(tab, "Desk")
    tab.press("Sign out")
    tab.reads("You are signed out.")

    sign_in(tab, person)
    expect(tab.page.get_by_role("heading", name="One more step")).to_be_visible()
    tab.press('Passkey "Desk"')

    signed_in_as(tab, person)


def test_an_authenticator_app_is_scanned_confirmed_and_asked_for(tab, person):
    sign_in(tab, person)
    signed_in_as(tab, person)
    tab.press("Set up an authenticator app")
    expect(tab.page.get_by_alt_text("QR code with the secret key")).to_be_visible()
    drawn = tab.page.evaluate("document.getElementById('qr').decode().then(() => true)")
    secret = tab.page.locator("#secret").inner_text()
    tab.field("The code that the app shows").fill("000000")
    tab.press("Confirm")
    expect(tab.page.locator("#result.bad")).to_be_visible()
    tab.field("The code that the app shows").fill(pyotp.TOTP(secret).now())
    tab.press("Confirm")
    tab.reads("Your authenticator app is ready.")
    [code, *_] = tab.page.locator("#recovery-codes li").all_inner_texts()
    tab.press("Sign out")
    tab.reads("You are signed out.")

    sign_in(tab, person)
    tab.press("Recovery code")
    tab.page.get_by_label("Code: Recovery code").fill(code)
    tab.press("Continue")

    signed_in_as(tab, person)
    assert drawn
    assert tab.page.locator("#secret").inner_text() == ""


def test_the_page_speaks_the_language_of_the_browser(browser, server, person):
    with browser.new_context(locale="de-DE") as context:
        tab = Tab(context)
        tab.open(f"{server.url}/account")
        tab.field("E-Mail, Benutzername oder Telefonnummer").fill(person.email)
        tab.field("Passwort").fill(PASSWORD)
        tab.field("Passwort").press("Enter")
        expect(tab.page.get_by_text(f"Angemeldet als {person.email}.")).to_be_visible()
        tab.press("Abmelden")
        tab.reads("Sie sind abgemeldet.")


@pytest.mark.requirement("WA-03")
def test_a_page_of_another_port_gets_a_signature_and_it_is_refused(server, tab, person):
    sign_in(tab, person)
    signed_in_as(tab, person)
    add_passkey(tab)
    phish = "<!doctype html><title>Phish</title>"
    tab.page.route("**/*", lambda route: route.fulfill(body=phish, content_type="text/html"))
    asked = server.post("/auth/passkeys/authentication/options").json

    tab.open("http://localhost:4567/")
    credential = tab.page.evaluate(SIGN, asked["public_key"])
    form = {"login_token": asked["login_token"], "credential": credential}
    answer = server.post("/auth/passkeys/authentication/verify", form)

    assert credential["type"] == "public-key"
    assert (answer.status_code, answer.json["code"]) == (401, "invalid_code")


@pytest.mark.requirement("WA-03")
def test_a_page_of_another_host_gets_no_signature_at_all(server, tab):
    asked = server.post("/auth/passkeys/authentication/options").json

    tab.open(server.url.replace("localhost", "127.0.0.1") + "/account")
    expect(tab.page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()

    assert tab.page.evaluate(SIGN, asked["public_key"]) == "SecurityError"
    tab.press("Sign in with a passkey")
    tab.reads("Only pages of")  # the service asks nothing for this address either


@pytest.mark.requirement("PW-14")
def test_the_page_masks_the_password_helps_password_managers_and_works_by_keyboard(tab, person):
    field = tab.field("Password")
    masked, autocomplete = field.get_attribute("type"), field.get_attribute("autocomplete")
    tab.field("E-mail, username or phone number").focus()
    tab.page.keyboard.type(person.email)
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.type("a wrong password")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Space")
    shown = field.get_attribute("type")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")

    tab.reads("The identifier or the password is wrong.")

    assert (masked, autocomplete, shown) == ("password", "current-password", "text")
    assert is_narrow(tab)
