"""Login with a passkey alone: its level, its response, and the accounts that are rejected."""

import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import Credential, Password
from models import User as Account
from tests.client import PASSWORD
from tests.mfa.authenticator import BE, UP, UV, unb64
from tests.mfa.conftest import is_success, status_and_code
from tests.rows import audited, rows


def claims(response):
    return json.loads(unb64(response.json["access_token"].split(".")[1]))


def execute(app, statement):
    with app.app_context():
        db.session.execute(statement)
        db.session.commit()


@pytest.mark.requirement("MF-11")
@pytest.mark.parametrize(("flags", "method"), [(UP | UV, "hwk"), (UP | UV | BE, "swk")])
def test_passkey_login_reaches_aal2_by_itself(app, browser, flags, method):
    assert is_success(browser.register(flags=flags))

    response = browser.sign_in(flags=flags)

    assert (response.status_code, response.json["status"]) == (200, "authenticated")
    assert response.json["user"]["email"] == browser.user.email
    assert (claims(response)["amr"], claims(response)["acr"]) == ([method, "mfa"], "aal2")
    assert audited(app, "login.succeeded")[-1].details["amr"] == [method, "mfa"]
    assert rows(app, Credential, kind="passkey")[0].last_used_at is not None


def test_passkey_login_in_cookie_mode_returns_cookies_and_no_token_in_the_answer(
    registered_browser,
):
    response = registered_browser.sign_in(transport="cookie")

    cookies = {text.partition("=")[0] for text in response.headers.getlist("Set-Cookie")}
    assert cookies == {"__Host-access", "__Secure-refresh", "__Host-csrf", "__Host-device"}
    assert response.json.keys() == {"status", "expires_in", "csrf_token", "user"}


@pytest.mark.stores
def test_passkey_login_to_a_disabled_account_is_rejected(app, registered_browser):
    execute(app, sa.update(Account).values(disabled_at=datetime.now(UTC)))

    assert status_and_code(registered_browser.sign_in()) == (403, "account_disabled")


def test_passkey_login_with_an_unverified_email_is_rejected(app, registered_browser):
    execute(app, sa.update(Account).values(email_verified_at=None))

    assert status_and_code(registered_browser.sign_in()) == (403, "email_unverified")


def test_passkey_that_was_removed_is_rejected(app, registered_browser):
    options = registered_browser.request_options()
    execute(app, sa.delete(Credential))

    assert status_and_code(registered_browser.sign_in(options)) == (401, "invalid_code")


def test_passkey_that_was_never_confirmed_is_rejected(app, registered_browser):
    execute(app, sa.update(Credential).values(confirmed_at=None))

    assert status_and_code(registered_browser.sign_in()) == (401, "invalid_code")


def test_passkey_login_to_an_account_without_a_password_works_and_password_login_does_not(
    app, registered_browser
):
    execute(app, sa.delete(Password))
    form = {"identifier": registered_browser.user.email, "password": PASSWORD}

    known = registered_browser.client.post("/auth/login", form)
    unknown = registered_browser.client.post(
        "/auth/login", form | {"identifier": "unknown@example.com"}
    )

    assert status_and_code(known) == status_and_code(unknown) == (401, "invalid_credentials")
    assert known.json["detail"] == unknown.json["detail"]
    assert is_success(registered_browser.sign_in())


def test_passkey_registration_needs_a_recent_authentication(browser, wait):
    wait(minutes=9)
    options = browser.request_options("registration")
    wait(minutes=2)

    browser.user.tokens = browser.client.renew(browser.user.tokens)
    signed_in = browser.client.as_(browser.user.tokens)
    rejected = [signed_in.post("/auth/passkeys/registration/options"), browser.register(options)]

    assert [status_and_code(each) for each in rejected] == [
        (401, "insufficient_user_authentication")
    ] * 2


@pytest.mark.settings(GATEHOUSE_PASSKEY_ORIGINS="https://shop.example, https://app.localhost")
def test_related_origins_outside_the_domain_are_published(client):
    response = client.get("/.well-known/webauthn")

    assert response.mimetype == "application/json"
    assert response.json == {"origins": ["https://shop.example"]}


def test_related_origins_are_not_found_if_there_are_none(client):
    assert status_and_code(client.get("/.well-known/webauthn")) == (404, "not_found")
