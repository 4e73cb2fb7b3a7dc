"""CAPTCHAs on the hosted pages: the browser solves them without a click."""

import json
from urllib.parse import parse_qs, parse_qsl

import pytest
from altcha import Payload
from playwright.sync_api import expect

from tests.account.conftest import ADA, NEW
from tests.client import PASSWORD, User
from tests.conftest import environment
from tests.live_server import LiveServer
from tests.mail_links import read_mail

pytestmark = pytest.mark.requirement("RL-08")
ALWAYS = {
    "GATEHOUSE_WORKERS": "1",
    "GATEHOUSE_CAPTCHA_COST": "500",
    "GATEHOUSE_CAPTCHA_PASSWORD_RESET": "always",
    "GATEHOUSE_CAPTCHA_LOGIN": "always",
}
FORGOT_PATH = "/forgot-password"
BOB = "bob@example.com"
WAIT_MESSAGE = "One moment: your browser is solving a CAPTCHA for you."


@pytest.fixture(scope="module")
def server(sqlite_store, tmp_path_factory):
    """Run one server for the tests of this file; each has its own user."""
    with sqlite_store.fresh() as url:
        settings = environment(url) | ALWAYS
        del settings["GATEHOUSE_PUBLIC_URL"]
        server = LiveServer(settings, tmp_path_factory.mktemp("server") / "server.log")
        try:
            server.start()
            yield server
        finally:
            server.kill()


@pytest.fixture
def phone(tab):
    """Return a tab as narrow as a small phone."""
    tab.page.set_viewport_size({"width": 360, "height": 740})
    return tab


def read_posted_forms(tab, path):
    """Return the forms that were posted to a path, as JSON or by the browser itself."""
    sent = [r for r in tab.requests if r.url.endswith(path) and r.method == "POST"]
    return [read_form(request.post_data) for request in sent]


def read_form(data):
    return json.loads(data) if data.startswith("{") else dict(parse_qsl(data))


def has_only_captcha_errors(tab):
    """Return whether all console errors are responses that ask for a CAPTCHA."""
    return all("status of 403" in error for error in tab.console_errors)


def test_captcha_of_a_password_reset_is_solved_by_the_page(server, phone):
    server.client.sign_up(User(ADA))
    phone.open(f"{server.url}/forgot-password")

    phone.field("E-mail address").fill(ADA)
    phone.page.keyboard.press("Enter")
    phone.page.get_by_text("you will receive an e-mail").wait_for()
    phone.page.keyboard.type(read_mail(server.client, ADA)["code"])  # the field has the focus
    phone.field("New password").fill(NEW)
    phone.page.keyboard.press("Enter")
    phone.expect_status("Your new password is set.")

    [solved] = read_posted_forms(phone, FORGOT_PATH)
    assert solved.keys() == {"email", "captcha"}
    assert Payload.from_base64(solved["captcha"]).solution.counter >= 200
    assert has_only_captcha_errors(phone)
    assert phone.requests_to_others(server.url) == []


def test_captcha_of_a_login_is_solved_by_the_page(server, phone):
    server.client.sign_up(User(BOB))
    phone.open(f"{server.url}/account")

    phone.field("E-mail, username or phone number").fill(BOB)
    for password in ("a wrong password", PASSWORD):
        phone.field("Password").fill(password)
        phone.field("Password").press("Enter")
        if password != PASSWORD:
            phone.expect_status("The identifier or the password is wrong.")
    expect(phone.page.get_by_text(f"Signed in as {BOB}.")).to_be_visible()

    posted = [r for r in phone.requests if r.url.endswith("/auth/sign-in") and r.post_data]
    captchas = [parse_qs(request.post_data).get("captcha") for request in posted]
    assert [bool(captcha) for captcha in captchas] == [True, True]
    assert captchas[0] != captchas[1]
    assert not [error for error in phone.console_errors if "Content Security Policy" in error]


def test_captcha_page_explains_the_wait(server, phone):
    held = []
    phone.page.route("**/auth/captcha?*", lambda route: held.append(route))
    phone.open(f"{server.url}/forgot-password")

    phone.field("E-mail address").fill("unknown@example.com")
    phone.press("Send the code")
    phone.expect_status(WAIT_MESSAGE)
    expect(phone.page.get_by_role("button", name="Send the code")).to_be_disabled()
    while not held:
        phone.page.wait_for_timeout(50)  # milliseconds
    held[0].continue_()
    phone.field("Code").wait_for()
    expect(phone.page.get_by_role("status")).to_be_empty()


def test_captcha_that_only_some_requests_need_is_solved_by_the_page(server, phone):
    """An answer of 403 brings the form again, which the page then sends with an answer."""
    phone.open(f"{server.url}/forgot-password")
    phone.page.locator("form").evaluate("form => { delete form.dataset.captcha; }")

    phone.field("E-mail address").fill("unknown@example.com")
    phone.press("Send the code")
    phone.field("Code").wait_for()

    unsolved, solved = read_posted_forms(phone, FORGOT_PATH)
    assert (unsolved.keys(), solved.keys()) == ({"email"}, {"email", "captcha"})


@pytest.mark.settings(GATEHOUSE_CAPTCHA_PASSWORD_RESET="always", GATEHOUSE_CAPTCHA="turnstile")
@pytest.mark.settings(GATEHOUSE_CAPTCHA_SITE_KEY="key", GATEHOUSE_CAPTCHA_SECRET="secret")
def test_captcha_of_another_provider_is_reported_as_missing(live, phone):
    phone.open(f"{live.url}/forgot-password")

    phone.field("E-mail address").fill(ADA)
    phone.press("Send the code")
    phone.expect_status("Your browser cannot solve the CAPTCHA")

    assert phone.requests_to_others(live.url) == []
    assert has_only_captcha_errors(phone)
