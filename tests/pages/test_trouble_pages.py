"""Trouble signing in: a login link, and a lost second factor, in a browser without scripts."""

import re
from urllib.parse import urlsplit

import pytest

from models import Session
from tests.account.conftest import ADA, list_templates
from tests.client import PASSWORD
from tests.mail_links import read_mail
from tests.pages.conftest import PUBLIC_URL
from tests.rows import rows


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


def begin(browser, path, url=PUBLIC_URL, email=ADA):
    return browser.submit(browser.visit(url + path), {"email": email})


def test_each_way_out_of_trouble_is_a_page(form_browser):
    page = form_browser.visit(f"{PUBLIC_URL}/trouble")
    paths = re.findall(r'<a href="(/[^"]+)"', page.text)

    assert {"/forgot-password", "/login/link", "/mfa-recovery", "/register/code"} <= set(paths)
    for path in {*paths, "/auth/sign-in/link", "/mfa-recovery/code"}:
        shown = form_browser.visit(PUBLIC_URL + path)
        assert (shown.response.status_code, "<main" in shown.text) == (200, True), path
    assert "/trouble" in form_browser.visit(f"{PUBLIC_URL}/login").text


def test_code_of_a_login_link_signs_in_to_the_application(app, shop, client, ada):
    start = shop.start().url
    page = shop.browser.visit(start.replace("/login?", "/login/link?"))
    waiting = shop.browser.submit(page, {"email": ADA})
    wrong = shop.browser.submit(waiting, {"code": "00000000"})
    opened_elsewhere = shop.browser.submit(
        shop.browser.visit(read_mail(client, ADA)["link"]),
        {"token": read_mail(client, ADA)["link"]},
    )
    [code] = re.findall(r'class="code">([^<]+)<', opened_elsewhere.text)
    sessions = rows(app, Session)
    back = shop.browser.submit(wrong, {"code": code})

    assert (wrong.response.status_code, sessions) == (401, [])
    assert shop.read_answer(back)["code"]
    token = waiting.forms[0].values()["login_token"]
    assert not any(token in url for _, url, _ in shop.browser.trail)


def test_login_code_leads_on_to_the_second_step(form_browser, client, ada):
    client.log_in(ada)
    client.enrol_totp(ada)
    waiting = begin(form_browser, "/login/link")
    second = form_browser.submit(waiting, {"code": read_mail(client, ADA)["code"]})
    done = form_browser.submit(second, {"code": ada.totp()})

    assert "One more step" in second.text
    assert urlsplit(done.url).path == "/account"


def test_code_that_another_browser_asked_for_opens_no_session(app, form_browser, client, ada):
    """Who makes a user enter a code must not get a session, nor give one away."""
    stranger = begin(form_browser, "/login/link")
    begin(form_browser, "/login/link")

    refused = form_browser.submit(stranger, {"code": read_mail(client, ADA)["code"]})

    assert refused.response.status_code == 401
    assert rows(app, Session) == []


@pytest.mark.requirement("RG-04")
def test_lost_factors_are_removed_after_two_proofs(form_browser, client, ada):
    client.log_in(ada)
    client.enrol_totp(ada)
    waiting = begin(form_browser, "/mfa-recovery")
    code = read_mail(client, ADA)["code"]
    alone = form_browser.submit(waiting, {"code": code})
    both = form_browser.submit(
        waiting, {"code": code, "password": PASSWORD, "recovery_code": ada.recovery_codes[0]}
    )
    wrong = form_browser.submit(waiting, {"code": code, "password": "a wrong password"})
    done = form_browser.submit(wrong, {"password": PASSWORD})

    assert [each.response.status_code for each in (alone, both, wrong)] == [422, 422, 401]
    assert "but the password is wrong" in wrong.text
    assert wrong.forms[0].values()["code"] == code
    assert "will be removed on" in done.text
    assert "notice_mfa_reset" in list_templates(client, ADA)


def test_known_and_unknown_addresses_get_the_same_page(form_browser, ada):
    for path in ("/login/link", "/mfa-recovery", "/forgot-password"):
        shapes = set()
        for email in (ADA, "eve@example.com"):
            page = begin(form_browser, path, email=email)
            token = re.sub(r'(nonce|value)="[\w-]{30,}"', "", page.text)
            shapes.add((page.response.status_code, token.replace(email, "")))

        assert len(shapes) == 1, path


@pytest.mark.settings(GATEHOUSE_CAPTCHA_PASSWORD_RESET="always")
def test_captcha_is_required_of_forms_too(app, form_browser, client, ada):
    for path in ("/mfa-recovery", "/forgot-password"):
        page = begin(form_browser, path)

        assert page.response.status_code == 403, path
        assert page.forms[0].values()["email"] == ADA
        assert "<noscript>" in page.text
    assert client.mailbox(to=ADA) == []


def test_clock_of_the_device_may_be_wrong_and_the_page_says_what_to_do(form_browser, client, ada):
    """Nothing of ours trusts the clock of a client, but the codes of its authenticator app do."""
    client.log_in(ada)
    client.enrol_totp(ada)
    page = form_browser.visit(f"{PUBLIC_URL}/login")
    second = form_browser.submit(page, {"identifier": ADA, "password": PASSWORD})

    late = form_browser.submit(second, {"code": ada.totp(-60)})

    assert late.response.status_code == 401
    assert "clock" in late.text
