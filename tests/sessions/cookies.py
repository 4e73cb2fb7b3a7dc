"""Cookies of a browser: which a response sets, and token responses with other cookies."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie
from typing import Any

from werkzeug.test import TestResponse

from tests.client import CookieTokens, User

ACCESS, REFRESH = "__Host-access", "__Secure-refresh"
CSRF, DEVICE = "__Host-csrf", "__Host-device"
COOKIE_MODE_FIELDS = {"status", "expires_in", "csrf_token", "user"}
"""The members of a token response in cookie mode."""


def read_set_cookies(response: TestResponse) -> dict[str, Morsel[str]]:
    """Return the cookies that a response sets, by name."""
    jar: SimpleCookie = SimpleCookie()
    for text in response.headers.getlist("Set-Cookie"):
        jar.load(text)
    return dict(jar)


def login_form(user: User, transport: Any = "cookie") -> dict[str, Any]:
    """Return the form of a login with the password."""
    return {"identifier": user.email, "password": user.password, "transport": transport}


def with_cookies(tokens: CookieTokens, **cookies: str | None) -> CookieTokens:
    """Return the token response with other cookies: access=..., refresh=...; None removes one."""
    names = {"access": ACCESS, "refresh": REFRESH, "csrf": CSRF, "device": DEVICE}
    changed = CookieTokens(tokens)
    merged = tokens.cookies | {names[name]: value for name, value in cookies.items()}
    changed.cookies = {name: value for name, value in merged.items() if value is not None}
    return changed
