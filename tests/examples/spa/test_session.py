"""The session of the example page: sign-in, parallel tabs, lost responses, and its end."""

import re
from pathlib import Path

import pytest
import requests
from playwright.sync_api import expect

import gatehouse
from models import Session
from tests.client import PASSWORD
from tests.examples.spa.conftest import (
    ADA,
    FOLDER,
    SIGNED_OUT,
    answer,
    expect_status,
    open_page,
    press_button,
    sign_in,
    submit_password,
)
from tests.mail_links import read_mail
from tests.rows import audited, rows

BOB = "bob@example.com"


@pytest.mark.requirement("SE-01")
def test_example_page_signs_in_saves_and_signs_out_without_tokens_in_scripts(app, context, front):
    page = open_page(context, front)

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
    expect_status(page, "You are signed out.")

    assert tokens.keys() == {"__Host-access", "__Secure-refresh", "__Host-device"}
    assert not [name for name, value in tokens.items() if value in visible_to_scripts]
    assert [cookie["name"] for cookie in context.cookies()] == ["__Host-device"]
    assert [event.details["reason"] for event in audited(app, "session.ended")] == ["logout"]


def test_example_page_in_three_tabs_refreshes_in_parallel_without_a_logout(app, context, front):
    first = open_page(context, front)
    sign_in(first)
    tabs = [first, *(open_page(context, front, "Signed in as") for _ in range(2))]

    for _ in range(2):
        context.clear_cookies(name="__Host-access")  # as when it has expired
        for tab in tabs:
            tab.evaluate("document.getElementById('show-user').click()")
        for tab in tabs:
            expect_status(tab, f"Signed in as {ADA}.")

    press_button(first, "Sign out")
    expect_status(first, "You are signed out.")
    for tab in tabs[1:]:
        expect_status(tab, "Your session has ended.")
    assert len(rows(app, Session)) == 1
    assert audited(app, "session.refresh_reused") == []


def test_refresh_in_three_tabs_without_a_lock_causes_no_logout(app, context, front, live):
    first = open_page(context, front)
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
    page = open_page(context, front)
    sign_in(page)

    with page.expect_response(lambda response: "/auth/refresh" in response.url) as refresh:
        context.clock.fast_forward(28_000)  # milliseconds

    assert refresh.value.status == 200


def test_example_page_survives_a_refresh_whose_response_was_lost(app, context, front):
    page = open_page(context, front)
    sign_in(page)
    lose_responses(page, 1)

    press_button(page, "Refresh")

    expect_status(page, f"Signed in as {ADA}.")
    assert audited(app, "session.refresh_reused", "session.ended") == []


@pytest.mark.settings(GATEHOUSE_REFRESH_REUSE_INTERVAL="1")
def test_example_page_survives_a_response_lost_longer_than_the_reuse_interval(app, context, front):
    page = open_page(context, front)
    sign_in(page)
    lose_responses(page, 2)

    press_button(page, "Refresh")

    expect_status(page, f"Signed in as {ADA}.")
    assert len(audited(app, "session.refresh_replaced")) == 1
    assert audited(app, "session.refresh_reused", "session.ended") == []


def lose_responses(page, number):
    """Let the service handle the next refresh, and lose its response and those of some more."""
    lost = []

    def lose(route):
        if len(lost) == number:
            return route.continue_()
        if not lost:  # sent by Python, as the browser must not see the new cookies
            requests.post(route.request.url, headers=route.request.all_headers(), timeout=60)
        lost.append(route)
        return route.abort()

    page.route("**/auth/refresh", lose)


def test_example_page_keeps_the_session_while_the_service_is_down(context, front, live):
    page = open_page(context, front)
    sign_in(page)

    page.route("**/auth/**", lambda route: route.abort())
    press_button(page, "Who am I?")
    expect_status(page, "The service cannot be reached.")
    page.unroute("**/auth/**")
    press_button(page, "Who am I?")

    expect_status(page, f"Signed in as {ADA}.")


def test_example_page_says_that_the_session_has_ended_and_signs_in_again(context, front, live, ada):
    page = open_page(context, front)
    sign_in(page)
    elsewhere = live.client.as_(live.client.log_in(ada))

    assert elsewhere.post("/auth/logout", {"scope": "others"}).status_code == 204
    context.clear_cookies(name="__Host-access")
    press_button(page, "Save")
    expect_status(page, "Your session has ended. Please sign in again.")
    sign_in(page)


@pytest.mark.requirement("RL-08")
@pytest.mark.settings(GATEHOUSE_CAPTCHA_REGISTER="always", GATEHOUSE_CAPTCHA_LOGIN="always")
@pytest.mark.settings(GATEHOUSE_CAPTCHA_COST="500")
def test_example_page_registers_and_signs_in_with_captchas(empty_context, front, live):
    page, messages, urls = empty_context.new_page(), [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("request", lambda request: urls.append(request.url))
    page.goto(front)
    expect_status(page, SIGNED_OUT)

    page.get_by_label("E-mail", exact=True).fill(BOB)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    press_button(page, "Create an account")
    page.get_by_text("you will receive a code.").wait_for()
    answer(page, "Verification code", "00000000")
    page.get_by_role("alert").get_by_text("wrong").wait_for()
    answer(page, "Verification code", read_mail(live.client, BOB)["code"])
    expect_status(page, f"Signed in as {BOB}.")

    captchas = [url.partition("?")[2] for url in urls if "/auth/captcha" in url]
    assert captchas == ["action=register", "action=login"]
    assert not [line for line in messages if "Content Security Policy" in line]


def test_example_captcha_solver_is_the_one_of_the_hosted_pages():
    own_file = Path(gatehouse.__file__).parent / "pages/static/altcha.js"

    assert (FOLDER / "altcha.js").read_bytes() == own_file.read_bytes()


def test_example_page_shows_errors(context, front, live):
    page = open_page(context, front)

    submit_password(page, "a wrong password 42")
    expect_status(page, "The identifier or the password is wrong.")
    live.kill()
    submit_password(page)

    expect_status(page, "The service cannot be reached.")


def test_example_page_has_nothing_inline_and_no_other_origin():
    page = (FOLDER / "index.html").read_text()
    script = "".join(file.read_text() for file in FOLDER.glob("*.js"))

    assert "default-src 'none'; script-src 'self'" in page
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", page)
    urls = set(re.findall(r"https?://[\w.:/]+", page + script)) - {"http://www.w3.org/2000/svg"}
    assert urls == {"http://localhost:8000"}
    assert "innerHTML" not in script
