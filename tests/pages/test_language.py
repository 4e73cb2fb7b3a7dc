"""The language of pages: what the address asks for, the user's own, the browser's."""

from tests.oauth.form_browser import FormBrowser
from tests.pages.account.conftest import ORIGIN


def language_of(page):
    return page.text.partition('<html lang="')[2].partition('"')[0]


def test_address_decides_on_the_language_and_forms_and_links_carry_it_on(app):
    browser = FormBrowser(lambda: app.test_client(use_cookies=False), ORIGIN)

    page = browser.visit(f"{ORIGIN}/login?ui_locales=xx fr-CA de")
    wrong = browser.submit(page, {"identifier": "ada@example.com", "password": "wrong"})

    assert (language_of(page), language_of(wrong)) == ("fr", "fr")
    for shown in (page, wrong):
        assert 'href="/register?ui_locales=fr"' in shown.text
        assert '<html lang="fr" dir="ltr">' in shown.text


def test_browser_decides_on_the_language_if_the_address_asks_for_none_that_there_is(app):
    browser = app.test_client()

    for query in ("", "?ui_locales=", "?ui_locales=tlh", "?ui_locales=%3Cscript%3E"):
        page = browser.get(f"/login{query}", headers={"Accept-Language": "de"})
        assert '<html lang="de"' in page.text
        assert "ui_locales" not in page.text
