"""Mailed links in a browser without scripts: the user pastes the link into the page."""

import pytest

from tests.account.conftest import ADA, NEW, NEW_ADDRESS, change_email, read_messages
from tests.client import PASSWORD, User
from tests.mail_links import read_mail
from tests.pages.conftest import PUBLIC_URL
from tests.pages.links import create_registration_link

WRONG = "f" * 43


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


@pytest.fixture
def create_link(app, client, make_user):
    """Return the newest link of a kind: create_link("reset-password")."""

    def invite():
        app.test_cli_runner().invoke(args=["users", "invite", ADA])
        return read_mail(client, ADA)["link"]

    def change():
        mine = client.as_(client.log_in(make_user(email=ADA)))
        mine.post("/auth/email/change", {"email": NEW_ADDRESS})
        return read_mail(client, NEW_ADDRESS)["link"]

    def ask(path):
        make_user(email=ADA)
        client.post(path, {"email": ADA})
        return read_mail(client, ADA)["link"]

    def revert():
        change_email(client, client.log_in(make_user(email=ADA)))
        return read_messages(client, ADA, "notice_email_changed")[0]["link"]

    def delete():
        assert client.as_(client.log_in(make_user(email=ADA))).delete("/auth/me").status_code == 204
        return read_messages(client, ADA, "notice_account_deleted")[0]["link"]

    creators = {
        "verify-email": lambda: create_registration_link(client),
        "accept-invitation": invite,
        "confirm-email": change,
        "reset-password": lambda: ask("/auth/password/forgot"),
        "login-link": lambda: ask("/auth/login/link"),
        "undo-email": revert,
        "restore-account": delete,
    }
    return lambda name: creators[name]()


LINKS = {
    "verify-email": ({"password": PASSWORD}, "is confirmed"),
    "accept-invitation": ({"password": NEW}, "Your account is ready"),
    "confirm-email": ({"password": PASSWORD}, "new e-mail address is confirmed"),
    "reset-password": ({"password": NEW}, "new password is set"),
    "login-link": ({}, "Now enter this code"),
    "undo-email": ({}, "old e-mail address is restored"),
    "restore-account": ({}, "you can sign in again"),
}
"""What is entered besides the link, and what follows."""


@pytest.mark.requirement("RG-10", "SE-12")
@pytest.mark.parametrize("name", LINKS)
def test_pasted_link_works_once_and_only_when_the_button_is_pressed(
    form_browser, create_link, name
):
    typed, sentence = LINKS[name]
    link = create_link(name)
    opened = [form_browser.open(link, method=method) for method in ("GET", "HEAD", "GET")]
    page = opened[0]
    wrong = form_browser.submit(page, {**typed, "token": link.replace(link[-43:], WRONG)})
    empty = form_browser.submit(page, {**typed, "token": ""})
    done = form_browser.submit(page, {**typed, "token": link})
    again = form_browser.submit(page, {**typed, "token": link})

    secret = link.partition("#")[2]
    assert [each.response.status_code for each in opened] == [200] * 3
    assert (wrong.response.status_code, empty.response.status_code) == (401, 422)
    assert "Paste the complete link" in empty.text
    assert (done.response.status_code, sentence in done.text) == (200, True)
    if name != "login-link":  # which shows its code as often as it is asked for
        assert again.response.status_code == 401
        assert secret not in done.text
    assert not any(secret in url.partition("#")[0] for _, url, _ in form_browser.trail)


@pytest.mark.requirement("RG-10")
def test_link_whose_form_had_an_error_needs_not_be_pasted_again(form_browser, client):
    page = form_browser.visit(create_registration_link(client))
    link = read_mail(client, ADA)["link"]

    wrong = form_browser.submit(page, {"token": link, "password": "not the one I chose"})
    done = form_browser.submit(wrong, {"password": PASSWORD})

    assert "not the password that you chose" in wrong.text
    assert "not the one I chose" not in wrong.text
    assert "is confirmed" in done.text


def test_expired_link_page_sends_a_new_link_and_asks_for_its_code(form_browser, client):
    create_registration_link(client)
    unknown = "01890000-0000-7000-8000-000000000000"
    for path, sentence in (
        ("verify-email", "you will receive an e-mail with a new link"),
        ("reset-password", "you will receive an e-mail"),
    ):
        page = form_browser.visit(f"{PUBLIC_URL}/{path}/{unknown}")
        sent = form_browser.submit(page, {"email": ADA})

        assert (page.response.status_code, sent.response.status_code) == (404, 200), path
        assert sentence in sent.text
        assert {"email", "code", "password"} <= set(sent.forms[0].values())


def test_reset_of_a_password_that_was_signed_in_with_leads_back_to_the_application(
    shop, client, ada
):
    page = shop.browser.visit(shop.start().url.replace("/login?", "/forgot-password?"))
    waiting = shop.browser.submit(page, {"email": ADA})
    short = shop.browser.submit(waiting, {"code": read_mail(client, ADA)["code"], "password": "x"})
    done = shop.browser.submit(short, {"password": NEW})
    back = shop.browser.submit(done, {"password": NEW})

    assert short.response.status_code == 422
    assert shop.read_answer(back)["code"]


def test_password_is_reset_with_the_code_after_a_restart_of_the_browser(form_browser, client, ada):
    client.post("/auth/password/forgot", {"email": ADA})
    page = form_browser.visit(f"{PUBLIC_URL}/forgot-password/code")
    typed = {"email": ADA, "code": read_mail(client, ADA)["code"], "password": NEW}
    done = form_browser.submit(page, typed)
    again = form_browser.submit(page, typed)

    assert "new password is set" in done.text
    assert done.forms[0].values()["identifier"] == ADA
    assert (again.response.status_code, "sign in with it" in again.text) == (401, True)
    assert client.log_in(User(ADA, NEW))["status"] == "authenticated"
