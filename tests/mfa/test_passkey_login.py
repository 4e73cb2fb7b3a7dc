"""Signing in with a passkey and nothing else: what one gets, and who does not get in."""

import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import Credential, Password
from models import User as Account
from tests.client import PASSWORD
from tests.mfa.authenticator import BE, UP, UV, unb64
from tests.mfa.conftest import succeeds, told
from tests.rows import audited, rows


def claims(answer):
    return json.loads(unb64(answer.json["access_token"].split(".")[1]))


def change(app, statement):
    with app.app_context():
        db.session.execute(statement)
        db.session.commit()


@pytest.mark.requirement("MF-11")
@pytest.mark.parametrize(("flags", "word"), [(UP | UV, "hwk"), (UP | UV | BE, "swk")])
def test_a_passkey_signs_in_at_the_second_level_by_itself(app, browser, flags, word):
    assert succeeds(browser.register(flags=flags))

    answer = browser.sign_in(flags=flags)

    assert (answer.status_code, answer.json["status"]) == (200, "authenticated")
    assert answer.json["user"]["email"] == browser.user.email
    assert (claims(answer)["amr"], claims(answer)["acr"]) == ([word, "mfa"], "aal2")
    assert audited(app, "login.succeeded")[-1].details["amr"] == [word, "mfa"]
    assert rows(app, Credential, kind="passkey")[0].last_used_at is not None


def test_a_browser_gets_cookies_and_no_token_in_the_answer(ready):
    answer = ready.sign_in(transport="cookie")

    cookies = {text.partition("=")[0] for text in answer.headers.getlist("Set-Cookie")}
    assert cookies == {"__Host-access", "__Secure-refresh", "__Host-csrf", "__Host-device"}
    assert answer.json.keys() == {"status", "expires_in", "csrf_token", "user"}


@pytest.mark.stores
def test_who_is_disabled_stays_out(app, ready):
    change(app, sa.update(Account).values(disabled_at=datetime.now(UTC)))

    assert told(ready.sign_in()) == (403, "account_disabled")


def test_whose_address_is_not_proved_stays_out(app, ready):
    change(app, sa.update(Account).values(email_verified_at=None))

    assert told(ready.sign_in()) == (403, "email_unverified")


def test_a_passkey_that_was_removed_opens_nothing(app, ready):
    asked = ready.options()
    change(app, sa.delete(Credential))

    assert told(ready.sign_in(asked)) == (401, "invalid_code")


def test_a_passkey_that_was_never_confirmed_opens_nothing(app, ready):
    change(app, sa.update(Credential).values(confirmed_at=None))

    assert told(ready.sign_in()) == (401, "invalid_code")


def test_an_account_without_a_password_has_its_passkey_and_no_password_opens_it(app, ready):
    change(app, sa.delete(Password))
    form = {"identifier": ready.user.email, "password": PASSWORD}

    known = ready.client.post("/auth/login", form)
    unknown = ready.client.post("/auth/login", form | {"identifier": "nobody@example.com"})

    assert told(known) == told(unknown) == (401, "invalid_credentials")
    assert known.json["detail"] == unknown.json["detail"]
    assert succeeds(ready.sign_in())


def test_a_passkey_is_registered_by_who_proved_lately_who_they_are(browser, wait):
    wait(minutes=9)
    asked = browser.options("registration")
    wait(minutes=2)

    signed_in = browser.client.as_(browser.client.renew(browser.user.tokens))
    refused = signed_in.post("/auth/passkeys/registration/options")

    assert told(refused) == (401, "insufficient_user_authentication")
    assert browser.register(asked).status_code == 401


@pytest.mark.settings(GATEHOUSE_PASSKEY_ORIGINS="https://shop.example, https://app.localhost")
def test_related_origins_are_published_and_those_of_the_domain_are_not(client):
    answer = client.get("/.well-known/webauthn")

    assert answer.mimetype == "application/json"
    assert answer.json == {"origins": ["https://shop.example"]}


def test_without_related_origins_there_is_nothing(client):
    assert told(client.get("/.well-known/webauthn")) == (404, "not_found")
