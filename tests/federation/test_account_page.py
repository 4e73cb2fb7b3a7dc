"""The account page connects an account at a provider, and disconnects it."""

from __future__ import annotations

import re

import pytest

from models import ExternalIdentity, Password
from tests.federation.conftest import Browser
from tests.rows import rows

PAGE, FORM = "/account/identities", "/auth/account/identities"
ORIGIN = {"Origin": "http://localhost:8000"}


@pytest.fixture
def browser(app, client, make_user) -> Browser:
    """A browser that a user has signed in with by password."""
    user, browser = make_user(), Browser(app)
    form = {"identifier": user.email, "password": user.password}
    assert browser.post("/auth/sign-in", data=form, headers=ORIGIN).status_code == 303
    return browser


def send(browser, path, **fields):
    """Send a form of the page."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(PAGE).text).group(1)
    return browser.post(path, data={"csrf_token": token, **fields}, headers=ORIGIN)


def connect(browser, op):
    """Connect the account of the provider's user; return the page that the browser comes to."""
    begun = browser.get(send(browser, FORM, provider="acme").headers["Location"])
    done = browser.come_back(op.approve(begun.headers["Location"])).headers["Location"]
    return browser.get(done)


def test_account_is_connected_and_disconnected(app, op, browser):
    empty = browser.get(PAGE)

    shown = connect(browser, op)
    [identity] = rows(app, ExternalIdentity)
    removed = send(browser, f"{FORM}/{identity.id}/remove")

    assert "No account at another service is connected." in empty.text
    assert "That account is connected." in shown.text
    assert f"{FORM}/{identity.id}/remove" in shown.text
    assert removed.headers["Location"] == f"{PAGE}?done=identity-removed"
    assert rows(app, ExternalIdentity) == []


def test_page_says_what_does_not_work(app, op, browser):
    foreign = send(browser, f"{FORM}/01900000-0000-7000-8000-000000000000/remove")
    unknown = send(browser, FORM, provider="nowhere")
    without_token = browser.post(FORM, data={"provider": "acme"}, headers=ORIGIN)

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert without_token.status_code == 403
    assert rows(app, ExternalIdentity) == []
    assert [row.user_id for row in rows(app, Password)] != []
