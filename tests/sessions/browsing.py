"""A browser's cookies: which an answer sets, and answers with other ones."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie
from typing import Any

from werkzeug.test import TestResponse

from tests.client import Held, User
from tests.tokens.forgery import read

ACCESS, REFRESH = "__Host-access", "__Secure-refresh"
CSRF, DEVICE = "__Host-csrf", "__Host-device"
ANSWER = {"status", "expires_in", "csrf_token", "user"}
"""What stands in a TokenAnswer whose tokens are in cookies."""


def given(answer: TestResponse) -> dict[str, Morsel[str]]:
    """Return the cookies that an answer sets, by name."""
    jar: SimpleCookie = SimpleCookie()
    for text in answer.headers.getlist("Set-Cookie"):
        jar.load(text)
    return dict(jar)


def sid_of(held: Held) -> str:
    """Return the id of the session whose cookies these are."""
    sid: str = read(held.cookies[ACCESS])[1]["sid"]
    return sid


def login_form(user: User, transport: Any = "cookie") -> dict[str, Any]:
    """Return what a person logs in with."""
    return {"identifier": user.email, "password": user.password, "transport": transport}


def changed(held: Held, **cookies: str | None) -> Held:
    """Return the answer with other cookies: access=..., refresh=...; None leaves one out."""
    names = {"access": ACCESS, "refresh": REFRESH, "csrf": CSRF, "device": DEVICE}
    new = Held(held)
    merged = held.cookies | {names[name]: value for name, value in cookies.items()}
    new.cookies = {name: value for name, value in merged.items() if value is not None}
    return new
