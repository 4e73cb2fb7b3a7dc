"""A browser tab that records console errors and requests, and a server for it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Locator, Request, expect

from gatehouse.core import crypto
from models import OAuthClient, OAuthClientSecret
from tests.conftest import environment, marked_settings
from tests.live_server import LiveServer
from tests.oauth.conftest import add_row, client_columns
from tests.oauth.form_browser import FormBrowser
from tests.oauth.relying_party import RelyingParty, secret_of
from tests.stores import SqliteStore, empty_file

CLIPBOARD = ["clipboard-read", "clipboard-write"]
ONE_WORKER = {"GATEHOUSE_WORKERS": "1"}
PREFILLED_TABLES = {"roles", "role_catalog_version", "profile_schema", "signing_keys"}
"""Tables that have rows before the first request."""


def policy_of(page: Any) -> str:
    """Return the content security policy of a page, with `{nonce}` in place of the nonce."""
    return re.sub(r"'nonce-[\w-]{43}'", "'nonce-{nonce}'", page.headers["Content-Security-Policy"])


PUBLIC_URL = "http://localhost:8000"


@pytest.fixture
def form_browser(app: Flask) -> FormBrowser:
    """Return a browser without scripts."""
    return FormBrowser(partial(app.test_client, use_cookies=False), PUBLIC_URL)


@pytest.fixture
def shop(app: Flask) -> RelyingParty:
    """Return an application that asks nothing of its users, and a browser without scripts."""
    client = OAuthClient(**client_columns())
    digest = crypto.digest(secret_of(client.id))
    secret = OAuthClientSecret(id=crypto.new_id(), client_id=client.id, digest=digest)
    row = add_row(app, client, secret)
    return RelyingParty(partial(app.test_client, use_cookies=False), row)


class Tab:
    """A tab that records console errors and requests."""

    def __init__(self, context: BrowserContext) -> None:
        self.page = context.new_page()
        self.console_errors: list[str] = []
        self.requests: list[Request] = []
        self.page.on("console", lambda message: self._record(message.type, message.text))
        self.page.on("pageerror", lambda error: self._record("error", str(error)))
        self.page.on("request", lambda request: self.requests.append(request))

    def open(self, url: str) -> None:
        """Open a URL and wait until the page and its scripts are loaded."""
        self.page.goto(url)

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name).click()

    def expect_status(self, text: str) -> None:
        """Wait until the status message of the page contains a text."""
        expect(self.page.get_by_role("status")).to_contain_text(text)

    def field(self, label: str) -> Locator:
        """Return the field with exactly this label."""
        return self.page.get_by_label(label, exact=True)

    def requests_to_others(self, origin: str) -> list[str]:
        """Return the URLs of requests to other origins, except data: URLs."""
        urls = [request.url for request in self.requests]
        return [url for url in urls if not url.startswith((f"{origin}/", "data:"))]

    def posted_urls(self) -> list[str]:
        """Return the URLs of POST requests."""
        return [request.url for request in self.requests if request.method == "POST"]

    def _record(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.console_errors.append(text)


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    context = browser.new_context(permissions=CLIPBOARD)
    context.set_default_timeout(30_000)  # milliseconds
    yield Tab(context)
    context.close()


class SharedServer:
    """A server for all tests with the settings ONE_WORKER; it is emptied before each test."""

    def __init__(self, database: str, folder: Path) -> None:
        environ = environment(database) | ONE_WORKER
        del environ["GATEHOUSE_PUBLIC_URL"]
        self.database = database
        self.server = LiveServer(environ, folder / "server.log")

    def start_empty(self) -> LiveServer:
        """Return the running server with an empty database and log."""
        if not hasattr(self.server, "process") or self.server.process.poll() is not None:
            self.server.start()
        with closing(sqlite3.connect(self.database.removeprefix("sqlite:///"))) as connection:
            empty_file(connection, but=PREFILLED_TABLES)
            connection.commit()
        self.server.log.write_text("")
        return self.server


@pytest.fixture(scope="session")
def shared_server(
    sqlite_store: SqliteStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedServer]:
    with sqlite_store.fresh() as url:
        server = SharedServer(url, tmp_path_factory.mktemp("shared"))
        yield server
        if hasattr(server.server, "process"):
            server.server.kill()


def uses_shared_server(request: pytest.FixtureRequest) -> bool:
    """Return whether a test can use the shared server."""
    return "live" in request.fixturenames and marked_settings(request) == ONE_WORKER


@pytest.fixture
def store(request: pytest.FixtureRequest, sqlite_store: SqliteStore) -> Iterator[str]:
    """Return the URL of an unused database, or of the one of the shared server."""
    if uses_shared_server(request):
        database = nullcontext(request.getfixturevalue("shared_server").database)
    else:
        database = sqlite_store.fresh()
    with database as url:
        yield url


@pytest.fixture
def live(request: pytest.FixtureRequest) -> LiveServer:
    """Return a running server: the shared one if possible."""
    name = "shared_server" if uses_shared_server(request) else "own_server"
    found = request.getfixturevalue(name)
    server: LiveServer = found.start_empty() if isinstance(found, SharedServer) else found
    return server
