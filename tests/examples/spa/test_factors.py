"""Second factors on the example page: every status of a login, and step-up."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from gatehouse.core import clock
from gatehouse.database.session import db
from models import Session
from tests.child_processes import run_flask
from tests.client import PASSWORD
from tests.examples.spa.conftest import (
    ADA,
    answer,
    expect_status,
    open_page,
    press_button,
    sign_in,
    submit_password,
)
from tests.mail_links import read_mail
from tests.pages.axe import COLORS, find_faults
from tests.pages.virtual_authenticator import add_authenticator
from tests.rows import rows

NUMBER = "+4915112345678"
SIGNED_IN = f"Signed in as {ADA}."
TOTP, RECOVERY_CODE = "Authenticator app", "Recovery code"


@pytest.fixture
def page(context, front):
    """Return a page with a virtual authenticator; no user is signed in."""
    page = open_page(context, front)
    add_authenticator(page)
    return page


@pytest.fixture
def ada_with_totp(live, ada):
    live.client.log_in(ada)
    live.client.enrol_totp(ada)
    return ada


def sign_out(page):
    press_button(page, "Sign out")
    expect_status(page, "You are signed out.")


def let_authentication_age(app, context):
    """Let eleven minutes pass since the user authenticated; the session is refreshed after that."""
    with app.app_context():
        for session in db.session.query(Session):
            session.authenticated_at = clock.now() - timedelta(minutes=11)
            if session.aal2_authenticated_at:
                session.aal2_authenticated_at = session.authenticated_at
        db.session.commit()
    context.clear_cookies(name="__Host-access")


def read_key(page):
    """Return the key of a new authenticator app, once its QR code is drawn."""
    is_drawn = "() => document.getElementById('picture').naturalWidth > 0"
    page.wait_for_function(is_drawn)
    return page.locator("#question-hint").inner_text().rpartition(" ")[2]


def recovery_codes(page):
    """Wait until the page shows ten codes, and return them."""
    expect(page.locator("#recovery-codes")).to_have_text(re.compile(r"^\s*(\S+\s*){10}$"))
    return page.locator("#recovery-codes").inner_text().split()


def test_example_page_sets_up_totp_and_signs_in_with_a_recovery_code(page, ada):
    sign_in(page)
    press_button(page, "Add an authenticator app")
    page.get_by_role("dialog").wait_for()
    ada.secret = read_key(page)
    answer(page, TOTP, "000000")
    page.get_by_role("alert").get_by_text("wrong").wait_for()
    answer(page, TOTP, ada.totp())
    expect_status(page, "Your second factor is ready.")
    codes = recovery_codes(page)
    sign_out(page)
    codes_after = page.locator("#recovery-codes").text_content()

    submit_password(page)
    press_button(page, RECOVERY_CODE)
    answer(page, RECOVERY_CODE, codes[0])

    expect_status(page, SIGNED_IN)
    expect(page.get_by_text("9 recovery codes")).to_be_visible()
    assert (len(codes), codes_after) == (10, "")


def test_example_page_signs_in_with_totp_and_steps_up_with_it(app, context, page, ada_with_totp):
    submit_password(page)
    press_button(page, 'Authenticator app "Phone"')
    answer(page, TOTP, ada_with_totp.totp())
    expect_status(page, SIGNED_IN)
    let_authentication_age(app, context)

    press_button(page, 'Remove: Authenticator app "Phone"')
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    press_button(page, 'Authenticator app "Phone"')
    answer(page, TOTP, ada_with_totp.totp(1))

    expect_status(page, 'Removed: Authenticator app "Phone".')
    assert len(rows(app, Session, ended_at=None)) == 1


def test_example_page_steps_up_with_the_password_where_there_is_no_factor(app, context, page):
    sign_in(page)
    let_authentication_age(app, context)

    press_button(page, "Add a passkey")
    answer(page, "Your password", "a wrong password 42")
    page.get_by_role("alert").get_by_text("wrong").wait_for()
    answer(page, "Your password", PASSWORD)

    expect_status(page, "Your second factor is ready.")


def test_example_page_signs_in_with_a_passkey_as_first_or_second_factor_and_steps_up(
    app, context, page
):
    sign_in(page)
    press_button(page, "Add a passkey")
    expect_status(page, "Your second factor is ready.")
    sign_out(page)
    press_button(page, "Sign in with a passkey")
    expect_status(page, SIGNED_IN)
    sign_out(page)
    submit_password(page)
    press_button(page, "Passkey")
    expect_status(page, SIGNED_IN)
    let_authentication_age(app, context)

    press_button(page, "Remove: Passkey")
    press_button(page, "Passkey")

    expect_status(page, "Removed: Passkey.")
    assert [session.amr for session in rows(app, Session, ended_at=None)] == [["pwd"]]


def test_example_page_signs_in_with_codes_by_sms_and_email(page, live, ada):
    mine = live.client.as_(live.client.log_in(ada))
    mine.post("/auth/phone", {"phone": NUMBER})
    mine.post("/auth/phone/verify", {"phone": NUMBER, "code": code_for(live, NUMBER)})
    for kind, recipient in (("sms", NUMBER), ("email", ADA)):
        factor = mine.post("/auth/mfa/factors", {"kind": kind}).json
        code = {"code": code_for(live, recipient)}
        confirmed = mine.post(f"/auth/mfa/factors/{factor['id']}/confirm", code)
        assert confirmed.status_code == 200
        mine = live.client.as_(live.client.renew(ada.tokens))

    for name, recipient in (("Code by SMS", NUMBER), ("Code by e-mail", ADA)):
        submit_password(page)
        press_button(page, name)
        page.get_by_role("textbox", name=name).wait_for()
        answer(page, name, code_for(live, recipient))
        expect_status(page, SIGNED_IN)
        sign_out(page)


def code_for(live, recipient):
    return live.client.mailbox(to=recipient)[0]["variables"]["code"]


@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_example_page_sets_up_the_factor_that_is_required_to_sign_in(page, ada):
    for name in (TOTP, "Passkey"):
        submit_password(page)
        expect(page.get_by_role("heading", name="Set up a second factor first")).to_be_visible()
        press_button(page, name)
        if name == TOTP:
            ada.secret = read_key(page)
            press_button(page, "Cancel")
            expect_status(page, "Nothing was changed.")

    expect_status(page, SIGNED_IN)
    assert len(set(recovery_codes(page))) == 10


def test_example_page_has_no_accessibility_faults(browser, front, live, service, ada):
    service.append(live.url)
    context = browser.new_context(bypass_csp=True)
    page = open_page(context, front)
    faults = {"signed out": find_faults(page, {}, COLORS)}
    sign_in(page)
    press_button(page, "Add an authenticator app")
    ada.secret = read_key(page)
    faults["question"] = find_faults(page, {}, COLORS)
    answer(page, TOTP, ada.totp())
    recovery_codes(page)
    faults["recovery codes"] = find_faults(page, {}, COLORS)
    context.close()

    assert {state: found for state, found in faults.items() if found} == {}


def test_example_page_resets_a_password_that_must_be_changed(page, live):
    flagged = run_flask("passwords", "flag", ADA, environment=live.environment)
    flagged.check_returncode()

    submit_password(page)
    page.get_by_role("textbox", name="Code from the e-mail").wait_for()
    answer(page, "Code from the e-mail", read_mail(live.client, ADA)["code"])
    answer(page, "New password", "too short")
    page.get_by_role("alert").get_by_text("15").wait_for()
    answer(page, "New password", "eight purple lanterns")
    expect_status(page, "Your new password is set.")
    submit_password(page, "eight purple lanterns")

    expect_status(page, SIGNED_IN)
