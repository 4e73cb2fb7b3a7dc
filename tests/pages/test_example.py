"""The example page of docs/examples/spa, as a front-end developer copies it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

import gatehouse
from models import Session
from tests.client import PASSWORD, User
from tests.letters import letter
from tests.pages.sites import files, site
from tests.rows import audited, rows

FOLDER = Path(__file__).parents[2] / "docs/examples/spa"
ADA, BOB = "ada@example.com", "bob@example.com"


@pytest.fixture
def service():
    """Hold the address of the service, which is known only later."""
    return []


@pytest.fixture
def front(service):
    """Lend the origin of the example page."""
    with site(files(FOLDER, lambda: service[0])) as port:
        yield f"http://localhost:{port}"


@pytest.fixture
def settings_environment(settings_environment, front):
    return settings_environment | {"GATEHOUSE_ALLOWED_ORIGINS": front}


@pytest.fixture
def visitors(live, service, browser):
    """Lend a browser's windows; nobody has an account."""
    service.append(live.url)
    context = browser.new_context()
    context.set_default_timeout(10_000)  # milliseconds
    yield context
    context.close()


@pytest.fixture
def context(live, visitors):
    """Lend a browser's windows; Ada has an account."""
    live.client.sign_up(User(ADA))
    return visitors


def reads(page, text):
    expect(page.get_by_role("status")).to_contain_text(text)


def press(page, name):
    page.get_by_role("button", name=name).click()


def open_page(context, front, says):
    page = context.new_page()
    page.goto(front)
    reads(page, says)
    return page


def sign_in(page):
    page.get_by_label("E-mail").fill(ADA)
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Sign in")
    reads(page, f"Signed in as {ADA}.")


@pytest.mark.requirement("SE-01")
def test_the_example_signs_in_writes_and_signs_out_and_no_script_sees_a_token(app, context, front):
    page = open_page(context, front, "You are not signed in.")

    sign_in(page)
    page.get_by_label("Name").fill("Ada")
    press(page, "Save")
    reads(page, "Saved.")
    page.reload()
    reads(page, f"Signed in as {ADA}.")
    expect(page.get_by_label("Name")).to_have_value("Ada")
    seen = page.evaluate("document.cookie + JSON.stringify(localStorage)")
    tokens = {c["name"]: c["value"] for c in context.cookies() if c["name"] != "__Host-csrf"}
    press(page, "Sign out")
    reads(page, "You are not signed in.")

    assert tokens.keys() == {"__Host-access", "__Secure-refresh", "__Host-device"}
    assert not [name for name, value in tokens.items() if value in seen]
    assert [cookie["name"] for cookie in context.cookies()] == ["__Host-device"]
    assert [event.details["reason"] for event in audited(app, "session.ended")] == ["logout"]


def test_three_tabs_refresh_at_once_and_nobody_is_logged_out(app, context, front):
    first = open_page(context, front, "You are not signed in.")
    sign_in(first)
    tabs = [first, *(open_page(context, front, "Signed in as") for _ in range(2))]

    for _ in range(2):
        context.clear_cookies(name="__Host-access")  # as when it has expired
        for tab in tabs:
            tab.evaluate("document.getElementById('show-user').click()")
        for tab in tabs:
            reads(tab, f"Signed in as {ADA}.")

    press(first, "Sign out")
    for tab in tabs:
        reads(tab, "You are not signed in.")
    assert len(rows(app, Session)) == 1
    assert audited(app, "session.reused") == []


def test_tabs_without_a_lock_refresh_at_once_and_nobody_is_logged_out(app, context, front, live):
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
        press(tab, "Refresh")
        reads(tab, f"Signed in as {ADA}.")

    assert statuses == [200, 200, 200]
    assert audited(app, "session.reused", "session.ended") == []


@pytest.mark.settings(GATEHOUSE_ACCESS_TOKEN_LIFETIME="30")
def test_the_example_renews_the_session_before_the_access_cookie_expires(context, front):
    context.clock.install()
    page = open_page(context, front, "You are not signed in.")
    sign_in(page)

    with page.expect_response(lambda answer: "/auth/refresh" in answer.url) as renewed:
        context.clock.fast_forward(28_000)  # milliseconds

    assert renewed.value.status == 200


@pytest.mark.requirement("RL-08")
@pytest.mark.settings(GATEHOUSE_CAPTCHA_REGISTER="always", GATEHOUSE_CAPTCHA_LOGIN="always")
@pytest.mark.settings(GATEHOUSE_CAPTCHA_COST="500")
def test_the_example_registers_and_signs_in_where_a_captcha_is_always_asked_for(
    visitors, front, live
):
    page, said, asked = visitors.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(front)
    reads(page, "You are not signed in.")

    page.get_by_label("E-mail").fill(BOB)
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Create an account")
    reads(page, "you will receive a code.")
    page.get_by_label("Verification code").fill(letter(live.client, BOB)["code"])
    press(page, "Confirm")
    reads(page, "Your e-mail address is verified.")
    press(page, "Sign in")
    reads(page, f"Signed in as {BOB}.")

    captchas = [url.partition("?")[2] for url in asked if "/auth/captcha" in url]
    assert captchas == ["action=register", "action=login"]
    assert not [line for line in said if "Content Security Policy" in line]


def test_the_examples_solver_is_the_one_of_our_own_pages():
    ours = Path(gatehouse.__file__).parent / "pages/static/altcha.js"

    assert (FOLDER / "altcha.js").read_bytes() == ours.read_bytes()


def test_the_example_tells_what_went_wrong(context, front, live):
    page = open_page(context, front, "You are not signed in.")

    page.get_by_label("E-mail").fill(ADA)
    page.get_by_label("Password").fill("a wrong password 42")
    press(page, "Sign in")
    reads(page, "The identifier or the password is wrong.")
    live.kill()
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Sign in")

    reads(page, "The service cannot be reached.")


def test_the_example_has_nothing_inline_and_asks_nobody_else():
    page = (FOLDER / "index.html").read_text()
    script = "".join((FOLDER / name).read_text() for name in ("app.js", "altcha.js"))

    assert "default-src 'none'; script-src 'self'" in page
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", page)
    assert set(re.findall(r"https?://[\w.:]+", page + script)) == {"http://localhost:8000"}
    assert "innerHTML" not in script
