"""The page of one's own data, in a real browser: what is stored, readably, and the file."""

import json

import pytest
from playwright.sync_api import expect

from tests.client import PASSWORD, User
from tests.pages.conftest import ONE_WORKER

PATHS = {
    "de-DE": "Ihre Daten",
    "es-ES": "Sus datos",
    "fr-FR": "Vos données",
    "zh-CN": "您的数据",
}


def sign_in(tab, user):
    tab.field("E-mail, username or phone number").fill(user.email)
    tab.field("Password").fill(PASSWORD)
    tab.field("Password").press("Enter")


@pytest.mark.settings(**ONE_WORKER)
def test_own_data_is_shown_after_signing_in_and_is_downloaded(live, tab):
    user = live.client.sign_up(User("carol@example.com"), name="Carol Short")
    tab.open(f"{live.url}/account/data")
    tab.expect_status("To see your data, please sign in again.")
    tab.press("Sign in")
    sign_in(tab, user)

    page = tab.page
    expect(page.get_by_role("heading", name="Your data", exact=True)).to_be_focused()
    account, history = page.locator("#account"), page.locator("[data-section=history] li")
    expect(account).to_contain_text("Carol Short")
    expect(account).to_contain_text(user.email)
    expect(page.locator("[data-section=sessions] li")).to_have_count(1)
    expect(page.locator("[data-section=roles] .hint")).to_be_visible()
    expect(history.first).to_be_visible()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download the file").press("Enter")
    export = json.loads(caught.value.path().read_text())

    assert caught.value.suggested_filename == "account.json"
    assert export["account"]["email"] == user.email
    assert export["sessions"]
    width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]


@pytest.mark.settings(**ONE_WORKER)
def test_own_data_is_reached_from_the_account_by_a_link(live, tab):
    user = live.client.sign_up(User("dora@example.com"))
    tab.open(f"{live.url}/account")
    sign_in(tab, user)

    tab.page.get_by_role("link", name="See and download your data").click()

    expect(tab.page.locator("#account")).to_contain_text(user.email)


def test_own_data_page_speaks_five_languages(client):
    titles = {
        language: client.get("/account/data", headers={"Accept-Language": language}).text
        for language in ("en", *PATHS)
    }

    assert '<h1 id="title" tabindex="-1">Your data</h1>' in titles["en"]
    for language, title in PATHS.items():
        assert f'tabindex="-1">{title}</h1>' in titles[language]
        assert "Download the file" not in titles[language]
