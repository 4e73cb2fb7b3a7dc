"""The way into the account pages: without a session, with an expired cookie, and out."""

import pytest
import sqlalchemy as sa

from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.pages.account import catalogue
from models import Session
from tests.pages.account.conftest import ORIGIN, path_of, status_of
from tests.rows import rows


def test_each_page_leads_through_the_sign_in_and_back_to_itself(new_browser, make_user):
    user = make_user()

    for name in catalogue.TITLES:
        browser = new_browser()
        asked = browser.page(name)
        shown = browser.sign_in(user, name)

        assert path_of(asked) == "/login", name
        assert path_of(shown) in (catalogue.path_of(name), "/auth/confirm"), name
        assert shown.response.status_code == 200, name


def test_second_step_of_a_sign_in_leads_to_the_page_too(account, make_user):
    shown = account.sign_in(make_user(factors=["totp"]), "history")

    assert path_of(shown) == "/account/history"


@pytest.mark.requirement("SE-10")
def test_expired_access_cookie_is_renewed_on_the_way_to_a_page(account, make_user):
    account.sign_in(make_user())
    old = dict(account.cookies)
    account.forget("access")

    shown = account.page("history")

    assert path_of(shown) == "/account/history"
    assert {name for name in old if account.cookies[name] != old[name]} >= {
        name for name in old if name.endswith(("access", "refresh"))
    }


def test_browser_that_takes_no_cookie_is_led_to_the_sign_in_once(account, make_user):
    account.sign_in(make_user())
    account.forget("access")

    shown = account.visit(f"{ORIGIN}/account/history?continued=1")

    assert path_of(shown) == "/login"


def test_ended_session_leads_to_the_sign_in_without_a_circle(app, account, make_user):
    account.sign_in(make_user())
    with app.app_context():
        db.session.execute(sa.update(Session).values(ended_at=clock.now()))
        db.session.commit()

    for forgotten in ("nothing", "access", "refresh"):
        account.forget(forgotten)
        assert path_of(account.page("history")) == "/login"


@pytest.mark.requirement("SE-11")
def test_stolen_refresh_cookie_is_reported_on_the_way_to_a_page(app, account, make_user, wait):
    account.sign_in(make_user())
    account.forget("device")
    stolen = dict(account.cookies)
    wait(minutes=11)
    account.page("history")
    wait(minutes=11)
    account.cookies = stolen

    assert path_of(account.page("history")) == "/login"
    assert [one.end_reason for one in rows(app, Session)] == ["refresh_token_reused"]


def test_sign_out_ends_the_session_and_deletes_its_cookies(app, account, make_user):
    account.sign_in(make_user())

    shown = account.send_form("sign-out")

    assert path_of(shown) == "/login"
    assert [one.end_reason for one in rows(app, Session)] == ["logout"]
    assert not [name for name in account.cookies if name.endswith(("access", "refresh", "csrf"))]


def test_unknown_page_and_unknown_message_are_ignored(account, make_user):
    account.sign_in(make_user())
    account.forget("access")

    for page in ("//evil.example", "https://evil.example", "nowhere", "/\\evil.example"):
        shown = account.open(f"{ORIGIN}/auth/account/continue?page={page}")
        account.forget("access")
        assert shown.response.headers["Location"].startswith("/account?"), page
    account.page("profile")
    assert status_of(account.visit(f"{ORIGIN}/account/profile?done=<b>you+won</b>")) == ""
