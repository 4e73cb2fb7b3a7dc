"""The hosted pages where a CAPTCHA is asked for: the browser solves it, nobody clicks."""

import json

import pytest
from altcha import Payload
from playwright.sync_api import expect

from tests.account.conftest import ADA, NEW
from tests.client import PASSWORD, User
from tests.conftest import environment
from tests.letters import letter
from tests.live import LiveServer

pytestmark = pytest.mark.requirement("RL-08")
ALWAYS = {
    "GATEHOUSE_WORKERS": "1",
    "GATEHOUSE_CAPTCHA_COST": "500",
    "GATEHOUSE_CAPTCHA_FORGOT": "always",
    "GATEHOUSE_CAPTCHA_LOGIN": "always",
}
FORGOT = "/auth/password/forgot"
BOB = "bob@example.com"
MOMENT = "One moment: your browser is solving a CAPTCHA for you."


@pytest.fixture(scope="module")
def server(sqlite_store, tmp_path_factory):
    """Lend one server to the tests of this file; each has a person of its own."""
    with sqlite_store.fresh() as url:
        wanted = environment(url) | ALWAYS
        del wanted["GATEHOUSE_PUBLIC_URL"]
        server = LiveServer(wanted, tmp_path_factory.mktemp("server") / "server.log")
        try:
            server.start()
            yield server
        finally:
            server.kill()


@pytest.fixture
def phone(tab):
    """A tab as wide as a small phone's."""
    tab.page.set_viewport_size({"width": 360, "height": 740})
    return tab


def sent(tab, path):
    """Return the forms that were posted somewhere."""
    return [json.loads(r.post_data) for r in tab.requests if r.url.endswith(path)]


def hold_solved(route, held):
    """Let through what brings no answer to a CAPTCHA, and keep what does."""
    if "captcha" in route.request.post_data_json:
        held.append(route)
    else:
        route.continue_()


def is_calm(tab):
    """Tell whether the browser complained about nothing but the answer that asked for a CAPTCHA."""
    return all("status of 403" in complaint for complaint in tab.complaints)


def test_a_forgotten_password_is_replaced_though_a_captcha_is_asked_for(server, phone):
    server.client.sign_up(User(ADA))
    phone.open(f"{server.url}/forgot-password")

    phone.field("E-mail address").fill(ADA)
    phone.page.keyboard.press("Enter")
    phone.page.get_by_text("you will receive an e-mail").wait_for()
    phone.page.keyboard.type(letter(server.client, ADA)["code"])  # the field has the focus
    phone.field("New password").fill(NEW)
    phone.page.keyboard.press("Enter")
    phone.reads("Your new password is set.")

    unsolved, solved = sent(phone, FORGOT)
    assert (unsolved.keys(), solved.keys()) == ({"email"}, {"email", "captcha"})
    assert Payload.from_base64(solved["captcha"]).solution.counter >= 200
    assert is_calm(phone)
    assert phone.foreign_requests(server.url) == []


def test_somebody_signs_in_though_a_captcha_is_asked_for(server, phone):
    server.client.sign_up(User(BOB))
    phone.open(f"{server.url}/account")

    phone.field("E-mail, username or phone number").fill(BOB)
    for password in ("a wrong password", PASSWORD):
        phone.field("Password").fill(password)
        phone.field("Password").press("Enter")
        if password != PASSWORD:
            phone.reads("The identifier or the password is wrong.")
    expect(phone.page.get_by_text(f"Signed in as {BOB}.")).to_be_visible()

    answers = [form.get("captcha") for form in sent(phone, "/auth/login")]
    assert [bool(answer) for answer in answers] == [False, True, False, True]
    assert answers[1] != answers[3]
    assert not [said for said in phone.complaints if "Content Security Policy" in said]


def test_who_waits_for_the_sum_is_told_why(server, phone):
    held = []
    phone.page.route(f"**{FORGOT}", lambda route: hold_solved(route, held))
    phone.open(f"{server.url}/forgot-password")

    phone.field("E-mail address").fill("nobody@example.com")
    phone.press("Send the code")
    phone.reads(MOMENT)
    expect(phone.page.get_by_role("button", name="Send the code")).to_be_disabled()
    while not held:
        phone.page.wait_for_timeout(50)  # milliseconds
    held[0].continue_()
    phone.field("Code").wait_for()
    expect(phone.page.get_by_role("status")).to_be_empty()


@pytest.mark.settings(GATEHOUSE_CAPTCHA_FORGOT="always", GATEHOUSE_CAPTCHA="turnstile")
@pytest.mark.settings(GATEHOUSE_CAPTCHA_SITE_KEY="key", GATEHOUSE_CAPTCHA_SECRET="secret")
def test_with_another_provider_the_page_says_what_is_missing_and_asks_nobody_else(live, phone):
    phone.open(f"{live.url}/forgot-password")

    phone.field("E-mail address").fill(ADA)
    phone.press("Send the code")
    phone.reads("A CAPTCHA has to be solved first")

    assert phone.foreign_requests(live.url) == []
    assert is_calm(phone)
