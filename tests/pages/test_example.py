"""The example page in docs/examples/spa, in a real browser."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

import gatehouse
from models import Session
from tests.client import PASSWORD, User
from tests.mail_links import read_mail
from tests.pages.sites import run_site, serve_files
from tests.rows import audited, rows

FOLDER = Path(__file__).parents[2] / "docs/examples/spa"
ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture
def service():
    """Return a list for the URL of the service, which is known later."""
    return []


@pytest.fixture
def front(service):
    """Run the example page; return its origin."""
    with run_site(serve_files(FOLDER, lambda: service[0])) as port:
        yield f"http://localhost:{port}"


@pytest.fixture
def settings_environment(settings_environment, front):
    return settings_environment | {"GATEHOUSE_ALLOWED_ORIGINS": front}


@pytest.fixture
def empty_context(live, service, browser):
    """Return a browser context; there are no accounts."""
    service.append(live.url)
    context = browser.new_context()
    context.set_default_timeout(30_000)  # milliseconds
    yield context
    context.close()


@pytest.fixture
def context(live, empty_context):
    """Return a browser context; Ada has an account."""
    live.client.sign_up(User(ADA))
    return empty_context


def expect_status(page, text):
    expect(page.get_by_role("status")).to_contain_text(text)


def press_button(page, name):
    page.get_by_role("button", name=name).click()


def open_page(context, front, status):
    page = context.new_page()
    page.goto(front)
    expect_status(page, status)
    return page


def sign_in(page):
    page.get_by_label("E-mail").fill(ADA)
    page.get_by_label("Password").fill(PASSWORD)
    press_button(page, "Sign in")
    expect_status(page, f"Signed in as {ADA}.")


@pytest.mark.requirement("SE-01")
def test_example_page_signs_in_saves_and_signs_out_without_tokens_in_scripts(app, context, front):
    page = open_page(context, front, "You are not signed in.")

    sign_in(page)
    page.get_by_label("Name").fill("Ada")
    press_button(page, "Save")
    expect_status(page, "Saved.")
    page.reload()
    expect_status(page, f"Signed in as {ADA}.")
    expect(page.get_by_label("Name")).to_have_value("Ada")
    visible_to_scripts = page.evaluate("document.cookie + JSON.stringify(localStorage)")
    tokens = {c["name"]: c["value"] for c in context.cookies() if c["name"] != "__Host-csrf"}
    press_button(page, "Sign out")
    expect_status(page, "You are not signed in.")

    assert tokens.keys() == {"__Host-access", "__Secure-refresh", "__Host-device"}
    assert not [name for name, value in tokens.items() if value in visible_to_scripts]
    assert [cookie["name"] for cookie in context.cookies()] == ["__Host-device"]
    assert [event.details["reason"] for event in audited(app, "session.ended")] == ["logout"]


def test_example_page_in_three_tabs_refreshes_in_parallel_without_a_logout(app, context, front):
    first = open_page(context, front, "You are not signed in.")
    sign_in(first)
    tabs = [first, *(open_page(context, front, "Signed in as") for _ in range(2))]

    for _ in range(2):
        context.clear_cookies(name="__Host-access")  # as when it has expired
        for tab in tabs:
            tab.evaluate("document.getElementById('show-user').click()")
        for tab in tabs:
            expect_status(tab, f"Signed in as {ADA}.")

    press_button(first, "Sign out")
    for tab in tabs:
        expect_status(tab, "You are not signed in.")
    assert len(rows(app, Session)) == 1
    assert audited(app, "session.refresh_reused") == []


def test_refresh_in_three_tabs_without_a_lock_causes_no_logout(app, context, front, live):
    first = open_page(context, front, "You are not signed in.")
    sign_in(first)
    tabs = [first, *(open_page(context, front, "Signed in as") for _ in range(2))]
    start = """url => { window.result = (async () => {
        const send = (path, init) => fetch(url + path, {credentials: "include", ...init});
        const {csrf_token} = await (await send("/auth/csrf")).json();
        const headers = {"X-CSRF-Token": csrf_token};
        return (await send("/auth/refresh", {method: "POST", headers})).status;
    })() }"""

    for tab in tabs:
        tab.evaluate(start, live.url)
    statuses = [tab.evaluate("window.result") for tab in tabs]
    for tab in tabs:
        press_button(tab, "Refresh")
        expect_status(tab, f"Signed in as {ADA}.")

    assert statuses == [200, 200, 200]
    assert audited(app, "session.refresh_reused", "session.ended") == []


@pytest.mark.settings(GATEHOUSE_ACCESS_TOKEN_LIFETIME="30")
def test_example_page_refreshes_before_the_access_cookie_expires(context, front):
    context.clock.install()
    page = open_page(context, front, "You are not signed in.")
    sign_in(page)

    with page.expect_response(lambda response: "/auth/refresh" in response.url) as refresh:
        context.clock.fast_forward(28_000)  # milliseconds

    assert refresh.value.status == 200


@pytest.mark.requirement("RL-08")
@pytest.mark.settings(GATEHOUSE_CAPTCHA_REGISTER="always", GATEHOUSE_CAPTCHA_LOGIN="always")
@pytest.mark.settings(GATEHOUSE_CAPTCHA_COST="500")
def test_example_page_registers_and_signs_in_with_captchas(empty_context, front, live):
    page, messages, urls = empty_context.new_page(), [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("request", lambda request: urls.append(request.url))
    page.goto(front)
    expect_status(page, "You are not signed in.")

    page.get_by_label("E-mail").fill(BOB)
    page.get_by_label("Password").fill(PASSWORD)
    press_button(page, "Create an account")
    expect_status(page, "you will receive a code.")
    page.get_by_label("Verification code").fill(read_mail(live.client, BOB)["code"])
    press_button(page, "Confirm")
    expect_status(page, "Your e-mail address is verified.")
    press_button(page, "Sign in")
    expect_status(page, f"Signed in as {BOB}.")

    captchas = [url.partition("?")[2] for url in urls if "/auth/captcha" in url]
    assert captchas == ["action=register", "action=login"]
    assert not [line for line in messages if "Content Security Policy" in line]


def test_example_captcha_solver_is_the_one_of_the_hosted_pages():
    own_file = Path(gatehouse.__file__).parent / "pages/static/altcha.js"

    assert (FOLDER / "altcha.js").read_bytes() == own_file.read_bytes()


def test_example_page_shows_errors(context, front, live):
    page = open_page(context, front, "You are not signed in.")

    page.get_by_label("E-mail").fill(ADA)
    page.get_by_label("Password").fill("a wrong password 42")
    press_button(page, "Sign in")
    expect_status(page, "The identifier or the password is wrong.")
    live.kill()
    page.get_by_label("Password").fill(PASSWORD)
    press_button(page, "Sign in")

    expect_status(page, "The service cannot be reached.")


def test_example_page_has_nothing_inline_and_no_other_origin():
    page = (FOLDER / "index.html").read_text()
    script = "".join((FOLDER / name).read_text() for name in ("app.js", "altcha.js"))

    assert "default-src 'none'; script-src 'self'" in page
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", page)
    assert set(re.findall(r"https?://[\w.:]+", page + script)) == {"http://localhost:8000"}
    assert "innerHTML" not in script
