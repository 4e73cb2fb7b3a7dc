"""The forms for e-mail address, phone number and password; the identity is confirmed before."""

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import OneTimeCode, Password, Session
from models import User as UserRow
from tests.client import PASSWORD
from tests.pages.account.conftest import ORIGIN, path_of, status_of
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

NEW = "new@example.com"
NUMBER = "+4915123456789"
NEW_PASSWORD = "another unlikely phrase 43"
SENSITIVE = ("email", "phone")


def test_sensitive_page_asks_to_confirm_after_ten_minutes_and_leads_back(account, make_user, wait):
    user = make_user()
    account.sign_in(user)
    fresh = {name: path_of(account.page(name)) for name in SENSITIVE}
    wait(minutes=11)

    asked = account.page("email")
    wrong = account.submit(asked, {"password": "a wrong password"})
    shown = account.submit(wrong, {"password": user.password})
    again = account.visit(f"{ORIGIN}/auth/confirm?page=email")  # nothing is left to confirm

    assert fresh == {name: f"/account/{name}" for name in SENSITIVE}
    assert path_of(asked) == path_of(wrong) == "/auth/confirm"
    assert wrong.response.status_code == 401
    assert path_of(shown) == path_of(again) == "/account/email"


def test_form_that_waits_too_long_leads_to_the_confirmation(app, account, make_user, wait):
    account.sign_in(make_user())
    token = account.token("email")
    wait(minutes=11)

    for form, field in (("email", NEW), ("phone", NUMBER), ("phone/remove", "")):
        given = {"csrf_token": token, form: field}
        asked = account.post(f"{ORIGIN}/auth/account/{form}", given, ORIGIN)

        assert path_of(asked) == "/auth/confirm", form
    assert rows(app, OneTimeCode) == []


@pytest.mark.requirement("SE-10")
def test_second_factor_is_asked_for_if_there_is_one(account, make_user, wait):
    user = make_user(factors=["totp"])
    account.sign_in(user)
    wait(minutes=11)

    for name in (*SENSITIVE, "password"):
        asked = account.page(name)
        assert path_of(asked) == "/auth/confirm", name
        assert 'name="password"' not in asked.text, name
    shown = account.submit(asked, {"code": user.totp()})
    assert path_of(shown) == "/account/password"


def test_email_changes_with_the_code_of_the_new_address(app, account, client, make_user):
    account.sign_in(make_user())

    asked = account.submit(account.page("email"), {"email": NEW})
    wrong = account.submit(asked, {"code": "00000000"})
    code = client.mailbox(to=NEW)[0]["variables"]["code"]
    changed = account.submit(wrong, {"code": code})
    again = account.send_form("email/verify", email=NEW, code=code)

    assert (asked.response.status_code, path_of(asked)) == (200, "/auth/account/email")
    assert (wrong.response.status_code, f'value="{NEW}"' in wrong.text) == (401, True)
    assert (status_of(changed), path_of(changed)) == (
        "Your e-mail address is changed.",
        "/account/email",
    )
    assert again.response.status_code == 401
    assert path_of(account.visit(asked.url)) == "/account/email"  # a reload
    assert [one.email for one in rows(app, UserRow)] == [NEW]


def test_email_of_another_account_gets_the_same_answer(account, client, make_user):
    other = make_user()
    account.sign_in(make_user())

    free = account.send_form("email", email=NEW)
    taken = account.send_form("email", email=other.email)
    invalid = account.send_form("email", email="no address")

    assert taken.text.replace(other.email, NEW).count(NEW) == free.text.count(NEW)
    assert (free.response.status_code, taken.response.status_code) == (200, 200)
    assert client.mailbox(to=other.email) == []
    assert invalid.response.status_code == 422
    assert 'value="no address"' in invalid.text
    assert "such as name@example.com" in invalid.text


def test_email_form_takes_no_other_proof_than_the_code_of_the_account(account, make_user):
    account.sign_in(make_user())

    for more in ({"token": "x", "password": PASSWORD}, {"registration_token": "x"}):
        refused = account.send_form("email/verify", email=NEW, code="00000000", **more)
        assert refused.response.status_code == 401, more
    assert account.send_form("email/verify").response.status_code == 422


def test_phone_number_is_verified_and_removed(app, account, client, make_user):
    account.sign_in(make_user())

    asked = account.submit(account.page("phone"), {"phone": "+49 151 23456789"})
    wrong = account.submit(asked, {"code": "000000"})
    code = client.mailbox(to=NUMBER)[0]["variables"]["code"]
    verified = account.submit(wrong, {"code": code})
    number = rows(app, UserRow)[0].phone
    removed = account.send_form("phone/remove")
    invalid = account.send_form("phone", phone="123")

    assert wrong.response.status_code == 401
    assert (status_of(verified), number) == ("Your phone number is confirmed.", NUMBER)
    assert status_of(removed) == "Your phone number is removed."
    assert rows(app, UserRow)[0].phone is None
    assert invalid.response.status_code == 422


@pytest.mark.requirement("PW-14")
def test_password_changes_and_ends_the_other_sessions(app, account, client, make_user):
    user = make_user()
    client.log_in(user)
    account.sign_in(user)

    def change(current, new):
        given = {"current_password": current, "password": new}
        return account.submit(account.page("password"), given)

    wrong = change("a wrong password", NEW_PASSWORD)
    weak = change(PASSWORD, "short")
    changed = change(PASSWORD, NEW_PASSWORD)

    assert (wrong.response.status_code, status_of(wrong)) == (401, "The current password is wrong.")
    assert (weak.response.status_code, 'aria-invalid="true"' in weak.text) == (422, True)
    assert "a wrong password" not in wrong.text
    assert "short" not in weak.text.partition("<main")[2].partition("password-error")[0]
    assert status_of(changed) == "Your password is changed. All your other sessions have ended."
    assert [one.end_reason for one in rows(app, Session)] == ["password_changed", None]
    assert 'autocomplete="new-password"' in wrong.text
    assert 'autocomplete="current-password"' in wrong.text


@pytest.mark.stores
def test_password_form_sent_twenty_times_changes_the_password_once(app, account, make_user):
    account.sign_in(make_user())
    token = account.token("password")
    given = {"csrf_token": token, "current_password": PASSWORD, "password": NEW_PASSWORD}

    def send():
        return account.post(f"{ORIGIN}/auth/account/password", given, ORIGIN)

    run_in_parallel(*[send] * 20)

    assert len(audited(app, "account.password_changed")) == 1


def test_account_without_a_password_gets_a_link_to_choose_one(app, account, client, make_user):
    user = make_user()
    account.sign_in(user)
    with app.app_context():
        db.session.execute(sa.delete(Password))
        db.session.commit()

    shown = account.send_form("password/link", "password")

    assert status_of(shown) == "We have sent you an e-mail. Open its link to go on."
    assert "/reset-password/" in client.mailbox(to=user.email)[0]["variables"]["link"]
