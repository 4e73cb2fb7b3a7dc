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
    tab.open(f"{live.url}/account")
    sign_in(tab, user)
    tab.page.get_by_role("link", name="Your data").click()

    page = tab.page
    account = page.locator("#account")
    expect(account).to_contain_text("Carol Short")
    expect(account).to_contain_text(user.email)
    expect(page.locator("[data-section=sessions] li")).to_have_count(1)
    expect(page.locator("[data-section=roles] .hint")).to_be_visible()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download the file").press("Enter")
    export = json.loads(caught.value.path().read_text())

    assert caught.value.suggested_filename == "account.json"
    assert export["account"]["email"] == user.email
    assert export["sessions"]
    width = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]


def test_account_pages_speak_five_languages(browser_client, make_user):
    user = make_user()
    mine = browser_client.as_(browser_client.log_in(user))
    titles = {
        language: mine.get("/account/data", headers={"Accept-Language": language}).text
        for language in ("en", *PATHS)
    }

    assert '<h1 id="title" tabindex="-1">Your data</h1>' in titles["en"]
    for language, title in PATHS.items():
        assert f'tabindex="-1">{title}</h1>' in titles[language]
        assert "Download the file" not in titles[language]
