"""A browser without scripts that is signed in to the account pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import pytest
from flask import Flask

from tests.client import User
from tests.oauth.form_browser import FormBrowser, Page

ORIGIN = "http://localhost:8000"
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
STATUS = re.compile(r'role="status"[^>]*>(?:<p>(.*?)</p>)?', re.DOTALL)


class AccountBrowser(FormBrowser):
    """A browser that shows the account pages and sends their forms."""

    def page(self, name: str) -> Page:
        """Show a page; follow redirects."""
        path = "/account" if name == "overview" else f"/account/{name}"
        return self.visit(self.origin + path)

    def token(self, name: str = "profile") -> str:
        """Return the CSRF token of the forms of a page."""
        return TOKEN.search(self.page(name).text).group(1)

    def send_form(self, path: str, page: str = "profile", **fields: str) -> Page:
        """Send a form of a page; follow redirects."""
        given = {"csrf_token": self.token(page), **fields}
        return self.post(f"{self.origin}/auth/account/{path}", given, self.origin)

    def sign_in(self, user: User, page: str = "profile") -> Page:
        """Sign in on the way to a page."""
        shown = self.submit(self.page(page), {"identifier": user.email, "password": user.password})
        if "/auth/sign-in" in shown.url and user.secret:
            shown = self.submit(shown, {"code": user.totp()})
        return shown

    def forget(self, *names: str) -> None:
        """Delete cookies, as they expire in a browser."""
        for name in [one for one in self.cookies if one.endswith(names)]:
            del self.cookies[name]


def path_of(page: Page) -> str:
    """Return the path of the page that is shown."""
    return urlsplit(page.url).path


def status_of(page: Page) -> str:
    """Return the message of an account page."""
    return STATUS.search(page.text).group(1) or ""


@pytest.fixture
def new_browser(app: Flask) -> Callable[[], AccountBrowser]:
    return lambda: AccountBrowser(partial(app.test_client, use_cookies=False), ORIGIN)


@pytest.fixture
def account(new_browser: Callable[[], AccountBrowser]) -> AccountBrowser:
    return new_browser()
