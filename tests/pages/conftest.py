"""A browser's tab, watched: what it complained about, and what it asked for."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Request, expect

from tests.conftest import chosen, environment
from tests.live import LiveServer
from tests.stores import SqliteStore, empty_file

CLIPBOARD = ["clipboard-read", "clipboard-write"]
ONE_WORKER = {"GATEHOUSE_WORKERS": "1"}
FURNITURE = {"roles", "signing_keys"}
"""Tables that are filled before the first visitor comes."""


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


class SharedServer:
    """A server for all tests that ask for one worker and nothing else; each finds it empty."""

    def __init__(self, database: str, folder: Path) -> None:
        environ = environment(database) | ONE_WORKER
        del environ["GATEHOUSE_PUBLIC_URL"]
        self.database = database
        self.server = LiveServer(environ, folder / "server.log")

    def lend(self) -> LiveServer:
        """Return the running server with nobody in its house and nothing in its log."""
        if not hasattr(self.server, "process") or self.server.process.poll() is not None:
            self.server.start()
        with closing(sqlite3.connect(self.database.removeprefix("sqlite:///"))) as connection:
            empty_file(connection, but=FURNITURE)
            connection.commit()
        self.server.log.write_text("")
        return self.server


@pytest.fixture(scope="session")
def shared(
    sqlite_store: SqliteStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedServer]:
    with sqlite_store.fresh() as url:
        shared = SharedServer(url, tmp_path_factory.mktemp("shared"))
        yield shared
        if hasattr(shared.server, "process"):
            shared.server.kill()


def shares(request: pytest.FixtureRequest) -> bool:
    """Tell whether a test can do with the shared server."""
    return "live" in request.fixturenames and chosen(request) == ONE_WORKER


@pytest.fixture
def store(request: pytest.FixtureRequest, sqlite_store: SqliteStore) -> Iterator[str]:
    """Lend a database that nobody has used, or that of the shared server."""
    own = not shares(request)
    lent = sqlite_store.fresh() if own else nullcontext(request.getfixturevalue("shared").database)
    with lent as url:
        yield url


@pytest.fixture
def live(request: pytest.FixtureRequest) -> LiveServer:
    """Lend a running server: the shared one, if that will do."""
    name = "shared" if shares(request) else "own_server"
    found = request.getfixturevalue(name)
    server: LiveServer = found.lend() if isinstance(found, SharedServer) else found
    return server
