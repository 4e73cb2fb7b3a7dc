"""Registration on the pages, in a browser without scripts: for an application, or for oneself."""

import re
from urllib.parse import urlsplit

import pytest

from models import OneTimeCode
from models import User as UserRow
from tests.client import PASSWORD
from tests.mail_links import advance_clock, read_mail
from tests.oauth.relying_party import answer_of
from tests.pages.conftest import PUBLIC_URL
from tests.parallel import run_in_parallel
from tests.rows import rows

ADA = "ada@example.com"
ERROR = re.compile(r'<p id="([\w-]+)-error" class="field-error">([^<]+)</p>')


def open_page(browser, path):
    return browser.visit(PUBLIC_URL + path)


def register(browser, page=None, email=ADA, password=PASSWORD):
    page = page or open_page(browser, "/register")
    return browser.submit(page, {"email": email, "password": password})


def code_for(client, email=ADA):
    return read_mail(client, email)["code"]


def errors_of(page):
    return dict(ERROR.findall(page.text))


def secrets_in(page, *secrets):
    return [secret for secret in secrets if secret in page.text]


def test_user_registers_confirms_the_address_and_signs_in(form_browser, client):
    page = register(form_browser)
    wrong = form_browser.submit(page, {"code": "00000000"})
    done = form_browser.submit(wrong, {"code": code_for(client)})
    signed_in = form_browser.submit(done, {"password": PASSWORD})

    assert (wrong.response.status_code, done.response.status_code) == (401, 200)
    assert "is confirmed" in done.text
    assert done.forms[0].values()["identifier"] == ADA
    assert urlsplit(signed_in.url).path == "/account"
    assert secrets_in(page, PASSWORD) == secrets_in(wrong, PASSWORD) == []
    assert not any("@" in url or "token" in url for _, url, _ in form_browser.trail)


def test_user_who_registers_in_the_middle_of_a_sign_in_comes_back_to_the_application(shop, client):
    page = shop.start(prompt="create")
    code_page = register(shop.browser, page)
    done = shop.browser.submit(code_page, {"code": code_for(client)})
    back = shop.browser.submit(done, {"password": PASSWORD})

    assert "Shop" in page.text
    assert "code" in (answer_of(back, shop.redirect_uri) or {})


def test_errors_are_shown_at_their_fields_and_what_was_typed_is_kept(form_browser):
    for email, password, field in (
        ("not an address", PASSWORD, "email"),
        (ADA, "too short", "password"),
        (ADA, "password12345678", "password"),
        (ADA, "", "password"),
    ):
        page = register(form_browser, None, email, password)

        assert page.response.status_code == 422, email
        assert list(errors_of(page)) == [field], errors_of(page)
        assert 'aria-invalid="true"' in page.text
        assert page.forms[0].values()["email"] == email
        assert not password or f'value="{password}"' not in page.text


@pytest.mark.settings(GATEHOUSE_REGISTRATION_DOMAINS="corp.example")
def test_sentences_are_in_the_language_that_the_application_asks_for(shop):
    page = shop.start(prompt="create", ui_locales="de")
    refused = register(shop.browser, page)
    short = register(shop.browser, page, "ada@corp.example", "kurz")

    assert "Adressen dieser Domain" in errors_of(refused)["email"]
    assert errors_of(short)["password"].startswith("Verwenden Sie mindestens")


def test_known_address_gets_the_same_page(form_browser, make_user):
    make_user(email=ADA)
    known, unknown = register(form_browser), register(form_browser, None, "eve@example.com")

    def shape(page, email):
        token = page.forms[0].values()["registration_token"]
        nonces = re.sub(r'nonce="[\w-]+"', "", page.text)
        return nonces.replace(token, "").replace(email, ""), page.response.status_code

    assert shape(known, ADA) == shape(unknown, "eve@example.com")


def test_registration_goes_on_after_a_restart_of_the_browser(app, form_browser, client):
    register(form_browser)
    form_browser.cookies.clear()
    page = open_page(form_browser, "/register/code")
    typed = {"email": ADA, "code": code_for(client)}
    alone = form_browser.submit(page, typed)
    wrong = form_browser.submit(page, {**typed, "password": "not the one I chose"})
    done = form_browser.submit(wrong, {**typed, "password": PASSWORD})

    assert (alone.response.status_code, wrong.response.status_code) == (422, 401)
    assert "not the password that you chose" in errors_of(wrong)["password"]
    assert "is confirmed" in done.text
    assert [row.email_verified_at is not None for row in rows(app, UserRow)] == [True]


def test_code_that_is_sent_again_works_on_the_page_that_waits_for_it(form_browser, client):
    page = register(form_browser)
    first = code_for(client)
    [resend] = [form for form in page.forms if form.action == "/register/resend"]
    sent = form_browser.send(page, resend, resend.fields)
    old = form_browser.submit(sent, {"code": first})
    done = form_browser.submit(old, {"code": code_for(client)})

    assert "sent the e-mail again" in sent.text
    assert (old.response.status_code, "is confirmed" in done.text) == (401, True)


def test_code_that_is_sent_twice_is_explained(form_browser, client):
    page = register(form_browser)
    typed = {"code": code_for(client)}
    form_browser.submit(page, typed)

    again = form_browser.submit(page, typed)

    assert again.response.status_code == 401
    assert "If you have confirmed your e-mail address already, sign in" in again.text
    assert 'href="/account"' in again.text


def test_code_of_another_registration_confirms_nothing(app, form_browser, client):
    """Who owns the address and confirms it must not get the account that a stranger prepared."""
    stranger = register(form_browser, None, ADA, "a password of the stranger")
    register(form_browser)

    refused = form_browser.submit(stranger, {"code": code_for(client)})

    assert refused.response.status_code == 401
    assert rows(app, UserRow) == []


def test_expired_code_leads_on(form_browser, client):
    page = register(form_browser)
    code = code_for(client)

    with advance_clock(days=3):
        late = form_browser.submit(page, {"code": code})

    assert late.response.status_code == 401
    assert {form.action for form in late.forms} == {"/register/code", "/register/resend"}


@pytest.mark.settings(GATEHOUSE_REGISTRATION="invitation")
def test_closed_registration_takes_no_form(app, form_browser):
    refused = form_browser.post(
        f"{PUBLIC_URL}/register", {"email": ADA, "password": PASSWORD}, PUBLIC_URL
    )

    assert (refused.response.status_code, refused.forms) == (403, [])
    assert "you need an invitation" in refused.text
    assert rows(app, OneTimeCode) == []


@pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")
@pytest.mark.requirement("RL-06")
def test_pages_and_api_share_the_limits_of_a_recipient(app, form_browser, client):
    for path, api, fields in (
        ("/register", "/auth/register", {"email": ADA, "password": "x"}),
        ("/forgot-password", "/auth/password/forgot", {"email": ADA}),
    ):
        for _ in range(2):
            client.post(api, fields)
            form_browser.post(PUBLIC_URL + path, fields, PUBLIC_URL)

        page = form_browser.post(PUBLIC_URL + path, fields, PUBLIC_URL)
        other = form_browser.post(PUBLIC_URL + path, {"email": "eve@example.com"}, PUBLIC_URL)

        assert page.response.status_code == client.post(api, fields).status_code == 429, path
        assert "too many requests" in page.text
        assert other.response.status_code in (200, 422)


@pytest.mark.stores
@pytest.mark.requirement("SE-10")
def test_one_of_twenty_parallel_confirmations_succeeds(app, form_browser, client):
    page = register(form_browser)
    fields = [*page.forms[0].fields[:-1], ("code", code_for(client))]

    pages = run_in_parallel(
        *[lambda: form_browser.post(f"{PUBLIC_URL}/register/code", fields, PUBLIC_URL)] * 20
    )

    statuses = sorted(page.response.status_code for page in pages)
    assert statuses == [200] + [401] * 19
    assert len(rows(app, UserRow)) == 1


@pytest.mark.requirement("SE-10")
def test_form_of_another_site_sends_nothing(app, form_browser):
    make_registered = {"email": ADA, "password": PASSWORD}
    for path, origin in (
        (path, origin)
        for path in ("/register", "/register/code", "/forgot-password", "/forgot-password/code")
        for origin in ("https://evil.example", "null")
    ):
        page = form_browser.post(PUBLIC_URL + path, make_registered, origin)
        assert page.response.status_code == 403, (path, origin)
        assert page.response.mimetype == "text/html"

    media = {"Content-Type": "text/plain", "Origin": PUBLIC_URL}
    plain = form_browser.open(f"{PUBLIC_URL}/register", "email=a", "POST", **media)
    assert plain.response.status_code == 415
    assert rows(app, OneTimeCode) == []
