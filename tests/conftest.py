"""Shared fixtures: stores, applications, clients, users, servers, and a browser.

docs/testing.md explains how they work together.
"""

from __future__ import annotations

import base64
import gc
import itertools
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
import redis
from flask import Flask
from playwright.sync_api import Browser, sync_playwright

from app import create_app
from config import Settings
from gatehouse.database.session import db
from tests.application_pool import ApplicationPool, dispose_engines
from tests.client import Client, CookieClient, User
from tests.live_server import ColdServer, LiveServer, running_server
from tests.missing_tools import pytest_terminal_summary, skip_without  # noqa: F401 - a hook
from tests.servers import NO_POSTGRES, PostgresCluster, postgres_is_installed, valkey_server
from tests.stores import PostgresStore, SqliteStore, memory_folder
from tests.user_accounts import create_user

pytest_plugins = [
    "tests.login_attempts",
    "tests.moved_clock",
    "tests.no_network",
    "tests.requirements_report",
    "tests.single_connection",
]

STORES = ("sqlite", "postgres")
_CLUSTER = pytest.StashKey[PostgresCluster]()
_BROWSER_OPTIONS = [
    "--no-sandbox",  # Chromium does not start its sandbox as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


# One PostgreSQL for the whole run, owned by the xdist controller process


def postgres_url(config: pytest.Config) -> str | None:
    """Return the URL of PostgreSQL, starting it if needed, or None if it is not installed."""
    url = os.environ.get("TEST_POSTGRES_URL") or worker_input(config).get("postgres_url")
    if url or not postgres_is_installed():
        return url
    if _CLUSTER not in config.stash:
        config.stash[_CLUSTER] = PostgresCluster()
    return config.stash[_CLUSTER].url


def worker_input(config: pytest.Config) -> dict[str, Any]:
    """Return what the xdist controller passed to this worker; empty without workers."""
    return getattr(config, "workerinput", {})


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["postgres_url"] = postgres_url(node.config)


def pytest_configure(config: pytest.Config) -> None:
    if not worker_input(config):  # clean up after SIGTERM as after SIGINT
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _CLUSTER in config.stash:
        config.stash[_CLUSTER].stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests with a browser first: one worker gets them, and starts it once."""
    items.sort(key=lambda item: "browser" not in getattr(item, "fixturenames", ()))


def pytest_collection_finish() -> None:
    """Collect garbage less often, and exempt what stays: modules and tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


# Databases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("stores"):
        metafunc.parametrize("store", STORES, indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a migrated, unused database; on PostgreSQL too with `@pytest.mark.stores`."""
    kind = getattr(request, "param", "sqlite")
    with request.getfixturevalue(f"{kind}_store").fresh() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_store() -> Iterator[SqliteStore]:
    with memory_folder() as folder:
        yield SqliteStore(folder, migrate)


@pytest.fixture(scope="session")
def postgres_store(pytestconfig: pytest.Config) -> Iterator[PostgresStore]:
    url = postgres_url(pytestconfig)
    if url is None:
        skip_without("PostgreSQL", NO_POSTGRES)
    store = PostgresStore(url, migrate)
    yield store
    store.close()


def migrate(url: str) -> None:
    """Run all migrations on an empty database."""
    with running(environment(url)) as app, app.app_context():
        flask_migrate.upgrade()


# Settings and the application


def environment(database_url: str) -> dict[str, str]:
    """Return the settings of a development server that uses this database."""
    return {
        "GATEHOUSE_ENV": "development",
        "GATEHOUSE_PUBLIC_URL": "http://localhost:8000",
        "GATEHOUSE_SECRET_KEYS": key(0),
        "GATEHOUSE_ENCRYPTION_KEYS": key(1),
        "GATEHOUSE_PASSWORD_PEPPERS": key(2),
        "GATEHOUSE_BCRYPT_COST": "4",
        "GATEHOUSE_RATE_LIMITS": "off",
        "DATABASE_URL": database_url,
    }


def key(number: int) -> str:
    """Return the setting of a key ring with one fixed key, which differs for each number."""
    material = bytes(range(32 * number, 32 * number + 32))
    return f"test:{base64.b64encode(material).decode()}"


def marked_settings(request: pytest.FixtureRequest) -> dict[str, str | None]:
    """Return the settings of `@pytest.mark.settings`; the mark nearest to the test wins."""
    marks = reversed(list(request.node.iter_markers("settings")))
    return {name: value for mark in marks for name, value in mark.kwargs.items()}


@pytest.fixture
def settings_environment(request: pytest.FixtureRequest, store: str) -> dict[str, str]:
    """The environment of the test's application; a mark removes an entry by setting None."""
    merged = environment(store) | marked_settings(request)
    return {name: value for name, value in merged.items() if value is not None}


@contextmanager
def running(environ: Mapping[str, str]) -> Iterator[Flask]:
    """Yield a new application and close its connections afterwards."""
    app = create_app(Settings.from_environment(environ))
    yield app
    with app.app_context():
        dispose_engines(db.engines)


@pytest.fixture(scope="session")
def application_pool() -> Iterator[ApplicationPool]:
    with closing(ApplicationPool()) as pool:
        yield pool


@pytest.fixture
def app(
    request: pytest.FixtureRequest,
    application_pool: ApplicationPool,
    settings_environment: dict[str, str],
) -> Iterator[Flask]:
    """An application from the pool; its database has only what a starting server writes."""
    alters = request.node.get_closest_marker("alters_the_application")
    context = closing(ApplicationPool()) if alters else nullcontext(application_pool)
    with context as pool, pool.acquire(settings_environment) as app:
        yield app


# Clients and users


@pytest.fixture
def client(app: Flask) -> Client:
    return Client(app.test_client)


@pytest.fixture
def browser_client(app: Flask) -> CookieClient:
    """A client in cookie mode, with no cookies yet."""
    return CookieClient(partial(app.test_client, use_cookies=False))


@pytest.fixture(params=["body", "cookie"])
def either_client(request: pytest.FixtureRequest, app: Flask) -> Client:
    """A client in body mode, then one in cookie mode."""
    name = "client" if request.param == "body" else "browser_client"
    either: Client = request.getfixturevalue(name)
    return either


@pytest.fixture
def make_user(app: Flask, client: Client) -> Callable[..., User]:
    """Create users with verified e-mail addresses: make_user(email=..., password=..., name=...).

    make_user(factors=["totp"]) also enrols TOTP and recovery codes; make_user(roles=["support"])
    assigns roles. The user itself is created
    without requests, messages and audit events; `client.sign_up` registers one over HTTP.
    """
    numbers = itertools.count(1)

    def make(**more: Any) -> User:
        email = more.pop("email", f"person{next(numbers)}@example.com")
        fields = {name: more.pop(name) for name in ("password", "username") if name in more}
        factors = more.pop("factors", [])
        user = create_user(app, User(email, **fields), **more)
        if "totp" in factors:
            client.log_in(user)
            client.enrol_totp(user)
        return user

    return make


@pytest.fixture
def sign_in_as(make_user: Callable[..., User], client: Client) -> Callable[..., Client]:
    """Sign in a new user with roles and a second factor: sign_in_as("admin", email=...)."""

    def sign_in(*roles: str, **more: Any) -> Client:
        user = make_user(roles=roles, factors=["totp"], **more)
        user.tokens = client.renew(user.tokens)  # enrolment stepped the session up to AAL2
        return client.as_(user.tokens)

    return sign_in


@pytest.fixture
def wait(time_machine: Any) -> Callable[..., None]:
    """Move the clock forward: wait(seconds=5), wait(days=1). It takes no time."""
    time_machine.move_to(datetime.now(UTC))

    def shift(**delta: float) -> None:
        time_machine.shift(timedelta(**delta))

    return shift


# Servers and browsers


@pytest.fixture(params=[Client, CookieClient], ids=["body", "cookie"])
def either_live_client(request: pytest.FixtureRequest, live: LiveServer) -> Client:
    """A client of a running server: in body mode, then in cookie mode."""
    kind: type[Client] = request.param
    return kind(live.new_connection)


@pytest.fixture
def live(own_server: LiveServer) -> LiveServer:
    """A running server with two workers; GATEHOUSE_PUBLIC_URL is its real URL."""
    return own_server


@pytest.fixture
def own_server(
    application_pool: ApplicationPool,
    settings_environment: dict[str, str],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Iterator[LiveServer]:
    """A server of this test alone; no pooled application is connected to its database."""
    application_pool.close()
    environ = dict(settings_environment)
    if "GATEHOUSE_PUBLIC_URL" not in marked_settings(request):
        del environ["GATEHOUSE_PUBLIC_URL"]
    server_class = ColdServer if request.node.get_closest_marker("cold_start") else LiveServer
    with running_server(server_class(environ, tmp_path / "server.log")) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    servers = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, LiveServer)]
    logs = {server.log for server in servers if server.log.exists()}
    if report.failed:
        report.sections.extend(("server log", log.read_text()) for log in logs)
    elif report.passed and not set("AP") & set(item.config.option.reportchars):
        report.sections.clear()  # not shown, so not sent to the controller
    return report


@pytest.fixture(scope="session")
def valkey_process() -> Iterator[str]:
    with valkey_server() as url:
        yield url


@pytest.fixture
def valkey(valkey_process: str) -> str:
    """The URL of an empty Valkey."""
    with redis.Redis.from_url(valkey_process) as connection:
        connection.flushall()
    return valkey_process


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium that resolves no host but this machine."""
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        skip_without("chromium", "apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_BROWSER_OPTIONS)
        yield browser
        browser.close()
