"""Fixtures that read like sentences: a store, an app on it, a client of that, a person."""

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
from tests.applications import Applications, disposing
from tests.client import Client, CookieClient, User
from tests.live import ColdServer, LiveServer
from tests.people import settle
from tests.skips import skip_without
from tests.stores import (
    NO_POSTGRES,
    PostgresCluster,
    PostgresStore,
    SqliteStore,
    postgres_is_installed,
    quick_folder,
    valkey_server,
)

pytest_plugins = [
    "tests.password_guessing",
    "tests.missing_tools",
    "tests.no_network",
    "tests.requirements_report",
]

STORES = ("sqlite", "postgres")
_CLUSTER = pytest.StashKey[PostgresCluster]()
_BROWSER_OPTIONS = [
    "--no-sandbox",  # Chromium refuses its sandbox to root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


# One PostgreSQL for the whole run: the process that distributes the tests owns it.


def postgres_url(config: pytest.Config) -> str | None:
    """Return where PostgreSQL is, starting it if need be, or None where there is none."""
    given = os.environ.get("TEST_POSTGRES_URL") or worker_input(config).get("postgres_url")
    if given or not postgres_is_installed():
        return given
    if _CLUSTER not in config.stash:
        config.stash[_CLUSTER] = PostgresCluster()
    return config.stash[_CLUSTER].url


def worker_input(config: pytest.Config) -> dict[str, Any]:
    """Return what pytest-xdist told this worker; nothing without workers."""
    return getattr(config, "workerinput", {})


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["postgres_url"] = postgres_url(node.config)


def pytest_configure(config: pytest.Config) -> None:
    if not worker_input(config):  # a terminated run cleans up as an interrupted one does
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _CLUSTER in config.stash:
        config.stash[_CLUSTER].stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let those that want a browser come first: one worker gets them, and starts it once."""
    items.sort(key=lambda item: "browser" not in getattr(item, "fixturenames", ()))


def pytest_collection_finish() -> None:
    """Let the garbage collector come seldom, and pass over what stays: modules and tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


# Databases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("stores"):
        metafunc.parametrize("store", STORES, indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Lend the URL of a migrated database that nobody has used."""
    kind = getattr(request, "param", "sqlite")
    with request.getfixturevalue(f"{kind}_store").fresh() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_store() -> Iterator[SqliteStore]:
    with quick_folder() as folder:
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
    """Bring an empty database to the newest migration."""
    with running(environment(url)) as app, app.app_context():
        flask_migrate.upgrade()


# Settings and the application


def environment(database_url: str) -> dict[str, str]:
    """Return the settings of a development server with a database."""
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
    """Return a key ring of one fixed key; different numbers give different keys."""
    material = bytes(range(32 * number, 32 * number + 32))
    return f"test:{base64.b64encode(material).decode()}"


def chosen(request: pytest.FixtureRequest) -> dict[str, str | None]:
    """Return what `@pytest.mark.settings` asks for; the mark nearest to the test wins."""
    marks = reversed(list(request.node.iter_markers("settings")))
    return {name: value for mark in marks for name, value in mark.kwargs.items()}


@pytest.fixture
def settings_environment(request: pytest.FixtureRequest, store: str) -> dict[str, str]:
    """The environment of the test's application; a mark removes an entry by setting None."""
    wanted = environment(store) | chosen(request)
    return {name: value for name, value in wanted.items() if value is not None}


@contextmanager
def running(environ: Mapping[str, str]) -> Iterator[Flask]:
    """Lend an application, and close its connections afterwards."""
    with disposing(create_app(Settings.from_environment(environ))) as app:
        yield app


@pytest.fixture(scope="session")
def applications() -> Iterator[Applications]:
    with closing(Applications()) as applications:
        yield applications


@pytest.fixture
def app(
    request: pytest.FixtureRequest, applications: Applications, settings_environment: dict[str, str]
) -> Iterator[Flask]:
    """Lend an application whose database is as a starting server leaves it."""
    alters = request.node.get_closest_marker("alters_the_application")
    lender = closing(Applications()) if alters else nullcontext(applications)
    with lender as lending, lending.lend(settings_environment) as app:
        yield app


# People and their clients


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
    """Make people with proven addresses: make_user(email=..., password=..., username=...).

    make_user(factors=["totp"]) has an authenticator app and recovery codes, too. Nobody was mailed
    and nothing was recorded on the way; `client.sign_up` registers a person as people do.
    """
    numbers = itertools.count(1)

    def make(**more: Any) -> User:
        email = more.pop("email", f"person{next(numbers)}@example.com")
        known = {name: more.pop(name) for name in ("password", "username") if name in more}
        factors = more.pop("factors", [])
        user = settle(app, User(email, **known), **more)
        if "totp" in factors:
            client.log_in(user)
            client.enrol_totp(user)
        return user

    return make


@pytest.fixture
def wait(time_machine: Any) -> Callable[..., None]:
    """Let time pass: wait(seconds=5), wait(days=1)."""
    time_machine.move_to(datetime.now(UTC))

    def shift(**delta: float) -> None:
        time_machine.shift(timedelta(**delta))

    return shift


# Servers and browsers


@pytest.fixture(params=[Client, CookieClient], ids=["body", "cookie"])
def either_live_client(request: pytest.FixtureRequest, live: LiveServer) -> Client:
    """A client of a running server: in body mode, then in cookie mode."""
    kind: type[Client] = request.param
    return kind(live.new_door)


@pytest.fixture
def live(own_server: LiveServer) -> LiveServer:
    """Lend a running server: two workers, on the address it thinks it has."""
    return own_server


@pytest.fixture
def own_server(
    applications: Applications,
    settings_environment: dict[str, str],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> Iterator[LiveServer]:
    """Lend a server of this test alone; no application is connected with its database."""
    applications.close()
    environ = dict(settings_environment)
    if "GATEHOUSE_PUBLIC_URL" not in chosen(request):
        del environ["GATEHOUSE_PUBLIC_URL"]
    kind = ColdServer if request.node.get_closest_marker("cold_start") else LiveServer
    server = kind(environ, tmp_path / "server.log")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    lent = getattr(item, "funcargs", {}).values()
    logs = {one.log for one in lent if isinstance(one, LiveServer) and one.log.exists()}
    if report.failed:
        report.sections.extend(("server log", log.read_text()) for log in logs)
    elif report.passed and not set("AP") & set(item.config.option.reportchars):
        report.sections.clear()  # what nobody reads is not sent to the process that reports
    return report


@pytest.fixture(scope="session")
def valkey_process() -> Iterator[str]:
    with valkey_server() as url:
        yield url


@pytest.fixture
def valkey(valkey_process: str) -> str:
    """Lend the URL of an empty Valkey."""
    with redis.Redis.from_url(valkey_process) as connection:
        connection.flushall()
    return valkey_process


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Lend a Chromium that knows no host but this one."""
    chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if chromium is None:
        skip_without("chromium", "apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_BROWSER_OPTIONS)
        yield browser
        browser.close()
