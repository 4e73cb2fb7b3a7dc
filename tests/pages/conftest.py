"""A browser's tab, watched: what it complained about, and what it asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Request, expect

CLIPBOARD = ["clipboard-read", "clipboard-write"]


def policy_of(page: Any) -> str:
    """Return a page's content policy, with `{nonce}` where its nonce stands."""
    return re.sub(r"'nonce-[\w-]{43}'", "'nonce-{nonce}'", page.headers["Content-Security-Policy"])


class Tab:
    """A tab that keeps a record while a person uses it."""

    def __init__(self, context: BrowserContext) -> None:
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[Request] = []
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))
        self.page.on("request", lambda request: self.requests.append(request))

    def open(self, url: str) -> None:
        """Open an address and wait until the page and its scripts are loaded."""
        self.page.goto(url)

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name).click()

    def reads(self, text: str) -> None:
        """Wait until the result of a press is told."""
        expect(self.page.get_by_role("status")).to_contain_text(text)

    def field(self, label: str) -> Locator:
        """Return the field with exactly this label."""
        return self.page.get_by_label(label, exact=True)

    def foreign_requests(self, home: str) -> list[str]:
        """Return what was asked of anybody but `home`; data: URLs ask nobody."""
        asked = [request.url for request in self.requests]
        return [url for url in asked if not url.startswith((f"{home}/", "data:"))]

    def posts(self) -> list[str]:
        """Return where something was posted."""
        return [request.url for request in self.requests if request.method == "POST"]

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    context = browser.new_context(permissions=CLIPBOARD)
    context.set_default_timeout(10_000)  # milliseconds
    yield Tab(context)
    context.close()
