"""The forms of second factors, of one's own data, and of the deletion of the account."""

import html
import json
import re

import pyotp
import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import Credential, OneTimeCode, Password, Session
from models import User as UserRow
from tests.pages.account.conftest import ORIGIN, path_of, status_of
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

SECRET = re.compile(r'<code id="secret">([A-Z2-7]+)</code>')
CODE = re.compile(r'<ul id="recovery-codes".*?</ul>', re.DOTALL)


def codes_of(page):
    """Return the recovery codes that a page shows."""
    return re.findall(r"<li>([^<]+)</li>", CODE.search(page.text).group())


def confirm(account, page, code):
    """Send the code of the factor that a page sets up."""
    [form] = [one for one in page.forms if one.action.endswith("/confirm")]
    return account.send(
        page, form, [(name, code if name == "code" else value) for name, value in form.fields]
    )


def test_authenticator_app_is_set_up_and_brings_recovery_codes_once(
    app, account, client, make_user
):
    user = make_user()
    client.log_in(user)
    account.sign_in(user)

    begun = account.send_form("factors", "factors", kind="totp")
    secret = SECRET.search(begun.text).group(1)
    wrong = confirm(account, begun, "000000")
    done = confirm(account, wrong, pyotp.TOTP(secret).now())
    codes = codes_of(done)
    again = account.page("factors")

    assert "data:image/svg+xml;base64," in begun.text
    assert (wrong.response.status_code, secret in wrong.text) == (401, True)
    assert (len(codes), done.response.headers["Cache-Control"]) == (10, "no-store")
    assert codes_of(again) == []
    assert "Authenticator app" in again.text
    assert [one.end_reason for one in rows(app, Session)] == ["factor_added", None]
    assert path_of(account.visit(f"{ORIGIN}/auth/account/factors")) == "/account/factors"  # reload


def test_recovery_codes_are_replaced_and_a_factor_is_removed(app, account, make_user):
    user = make_user(factors=["totp"])
    account.sign_in(user, "factors")
    first = next(one for one in rows(app, Credential) if one.kind == "recovery_codes").id

    replaced = account.send_form("factors/recovery-codes", "factors")
    [totp] = [one for one in rows(app, Credential) if one.kind == "totp"]
    removed = account.send_form(f"factors/{totp.id}/remove", "factors")

    codes = codes_of(replaced)
    assert len(set(codes) - set(user.recovery_codes)) == 10
    assert first not in [one.id for one in rows(app, Credential)]
    assert status_of(removed) == "The factor is removed. All your other sessions have ended."
    assert rows(app, Credential) == []


@pytest.mark.requirement("MF-11")
def test_factor_forms_need_a_recent_second_factor(app, account, make_user, wait):
    user = make_user(factors=["totp"])
    account.sign_in(user, "factors")
    token = account.token("factors")
    before = {one.id for one in rows(app, Credential)}
    wait(minutes=11)

    forms = [
        "factors",
        "factors/recovery-codes",
        "factors/reset/cancel",
        "data/export",
        "data/delete",
    ]
    for form in [*forms, *(f"factors/{one}/remove" for one in before)]:
        given = {"csrf_token": token, "kind": "totp", "understood": "on"}
        asked = account.post(f"{ORIGIN}/auth/account/{form}", given, ORIGIN)

        assert path_of(asked) == "/auth/confirm", form
        assert 'name="password"' not in asked.text, form
    assert {one.id for one in rows(app, Credential)} == before
    assert rows(app, UserRow)[0].deleted_at is None


def test_email_factor_is_set_up_with_the_code_of_a_message(app, account, client, make_user):
    user = make_user()
    account.sign_in(user)

    begun = account.send_form("factors", "factors", kind="email")
    done = confirm(account, begun, client.mailbox(to=user.email)[0]["variables"]["code"])
    again = account.send_form("factors", "factors", kind="email")
    unknown = account.send_form("factors", "factors", kind="nothing")
    codes = account.send_form("factors", "factors", kind="recovery_codes")

    assert len(codes_of(done)) == 10
    assert again.response.status_code == 409
    assert {unknown.response.status_code, codes.response.status_code} <= {403, 404, 409, 422}
    kinds = [one.kind for one in rows(app, Credential) if one.confirmed_at]
    assert sorted(kinds) == ["email", "recovery_codes"]


@pytest.mark.stores
def test_factor_is_confirmed_once_in_twenty_parallel_forms(app, account, make_user):
    account.sign_in(make_user())
    begun = account.send_form("factors", "factors", kind="totp")
    code = pyotp.TOTP(SECRET.search(begun.text).group(1)).now()

    shown = run_in_parallel(*[lambda: confirm(account, begun, code)] * 20)

    assert sum(len(codes_of(page)) == 10 for page in shown if CODE.search(page.text)) == 1
    assert len(audited(app, "factor.confirmed")) == 1


def test_announced_reset_is_shown_and_cancelled(app, account, client, make_user):
    user = make_user(factors=["totp"])
    account.sign_in(user, "overview")
    begun = client.post("/auth/mfa/recovery", {"email": user.email}).json
    message = client.mailbox(to=user.email)[0]["variables"]
    proof = {"code": message["code"], "recovery_token": begun["recovery_token"]}
    proof["recovery_code"] = user.recovery_codes[0]
    announced = client.post("/auth/mfa/recovery/verify", proof)
    overview = account.page("overview")

    shown = account.send_form("factors/reset/cancel", "factors")
    again = account.send_form("factors/reset/cancel", "factors")

    assert announced.status_code == 200, announced.json
    assert "Someone asked to remove all your second factors" in overview.text
    assert status_of(shown) == "Your factors stay as they are."
    assert again.response.status_code in (401, 404, 409)


def test_overview_says_what_needs_attention(app, account, make_user):
    account.sign_in(make_user())
    with app.app_context():
        db.session.execute(sa.update(UserRow).values(email_verified_at=None))
        db.session.execute(sa.delete(Password))
        db.session.commit()

    shown = html.unescape(account.page("overview").text)

    for sentence in (
        "Your e-mail address is not confirmed.",
        "Protect your account with a passkey or a second factor.",
        "Your account has no password.",
    ):
        assert sentence in shown


def test_own_data_is_shown_and_downloaded(app, account, make_user):
    user = make_user(name="Carol Short")
    account.sign_in(user)
    page = account.page("data")

    export = account.send_form("data/export", "data").response

    assert "Carol Short" in page.text
    assert user.email in page.text
    assert page.text.count("Nothing is stored here.") >= 3
    assert export.headers["Content-Disposition"] == 'attachment; filename="account.json"'
    assert json.loads(export.text)["account"]["email"] == user.email
    assert rows(app, OneTimeCode) == []


def test_account_is_deleted_and_comes_back_with_the_link(app, account, client, make_user):
    user = make_user()
    account.sign_in(user)

    unsure = account.send_form("data/delete", "data")
    deleted = account.send_form("data/delete", "data", understood="on")
    again = account.page("data")
    link = client.mailbox(to=user.email)[0]["variables"]["link"]
    restored = client.post("/auth/me/restore", {"token": link.partition("#")[2]})

    assert (unsure.response.status_code, "Tick this box" in unsure.text) == (422, True)
    assert "Your account is deleted" in deleted.text
    assert "<time" in deleted.text
    assert path_of(again) == "/login"
    assert restored.status_code == 204
    assert rows(app, UserRow)[0].deleted_at is None


def test_last_administrator_cannot_delete_the_account(app, account, make_user):
    user = make_user(roles=["admin"], factors=["totp"])
    account.sign_in(user, "data")

    refused = account.send_form("data/delete", "data", understood="on")

    assert (refused.response.status_code, rows(app, UserRow)[0].deleted_at) == (409, None)
    assert "You are the last administrator" in refused.text
