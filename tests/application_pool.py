"""A pool of applications: created once for their settings, used by one test after the other.

Creating one compiles a hundred routes, and its first SQL statements are compiled, too: most of the
time of a short test. Before each test, everything that tests may change is reset. A test that
changes more, such as its routes, is marked `alters_the_application`.

Applications with the same database share connections. Those with the same algorithm and encryption
keys start with the same signing keys, because generating keys is slow.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import copy
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from flask import Flask

import config
from app import create_app
from config import Settings
from gatehouse.core import clock
from gatehouse.database.session import autonomous_transaction, db, write_transaction
from gatehouse.hooks.memory import HookMemory
from gatehouse.hooks.subscriptions import Subscriptions
from gatehouse.hooks.token_claims import ClaimsCache
from gatehouse.service_accounts.key_memory import KeyMemory
from gatehouse.service_accounts.key_usage import KeyUsage
from gatehouse.tokens import keys, sync
from gatehouse.tokens.worker_state import TokenState
from gatehouse.web import rate_limits
from models import AuditEvent, SigningKey

Engines = dict[str | None, sa.Engine]
Rows = dict[Any, list[dict[str, Any]]]

MAX_APPLICATIONS = 32
"""Applications that are kept; the least recently used one is dropped."""
MAX_CONNECTED_DATABASES = 8
"""Databases to which connections stay open."""
_OPTIONS = ("DATABASE_URI", "ENGINE_OPTIONS", "BINDS")


class ApplicationPool:
    """All applications of a worker process, by their settings."""

    def __init__(self) -> None:
        self._applications: OrderedDict[frozenset[Any], _Application] = OrderedDict()
        self._engines: OrderedDict[str, Engines] = OrderedDict()
        self._keys: dict[Any, Rows] = {}

    @contextmanager
    def acquire(self, environ: Mapping[str, str]) -> Iterator[Flask]:
        """Yield an application with these settings, in its initial state."""
        key = frozenset(environ.items())
        application = self._applications.pop(key, None) or _Application(environ, self._keys)
        self._applications[key] = application
        if len(self._applications) > MAX_APPLICATIONS:
            self._applications.popitem(last=False)
        engines = self._share_connections(application)
        yield application.reset()
        if any(_pool(engine).checkedout() for engine in engines.values()):
            dispose_engines(engines)  # not to pass on a connection in use

    def _share_connections(self, application: _Application) -> Engines:
        """Let an application use the connections of others to the same database."""
        engines = self._engines.pop(application.pool, None) or application.engines.copy()
        self._engines[application.pool] = engines
        application.engines.update(engines)
        if len(self._engines) > MAX_CONNECTED_DATABASES:
            dispose_engines(self._engines.popitem(last=False)[1])
        return engines

    def close(self) -> None:
        """Close all connections; applications open new ones when they are used again."""
        for engines in self._engines.values():
            dispose_engines(engines)


class _Application:
    """An application and its initial state."""

    def __init__(self, environ: Mapping[str, str], all_keys: dict[Any, Rows]) -> None:
        settings = Settings.from_environment(environ)
        key_settings = settings.signing_algorithm, *settings.encryption_keys.keys.items()
        self._keys = all_keys.setdefault(key_settings, {})
        self._app = create_app(settings)
        self._wsgi = self._app.wsgi_app
        self._extensions = dict(self._app.extensions)
        self._limiter = dict(vars(rate_limits.limiter))  # global, shared by all applications
        self.pool = str([self._app.config[f"SQLALCHEMY_{name}"] for name in _OPTIONS])
        with self._app.app_context():
            self.engines = cast("Engines", db.engines)

    def reset(self) -> Flask:
        """Restore the initial state, with signing keys in the database, and return the app."""
        self._restore()
        with self._app.app_context():
            try:
                _require_connections()
                self._ensure_keys()
            except sa.exc.DatabaseError:  # an earlier test has terminated or confused them
                db.session.remove()
                dispose_engines(self.engines)
                self._ensure_keys()
            if config.settings().signing_algorithm == "RS256":
                sync.refresh()  # loading RSA keys may take longer than a state is valid
        return self._app

    def _restore(self) -> None:
        initial = self._extensions
        mutable = {name: copy(initial[name]) for name in ("gatehouse.settings", "gatehouse.risk")}
        self._app.extensions.clear()
        empty = {"gatehouse.tokens": TokenState(), "gatehouse.roles": {}}
        empty |= {"gatehouse.hooks": HookMemory(), "gatehouse.hook_claims": ClaimsCache()}
        empty |= {"gatehouse.profile_schema": {}}
        empty |= {"gatehouse.api_keys": KeyMemory(), "gatehouse.api_key_usage": KeyUsage()}
        empty["gatehouse.webhooks"] = Subscriptions()
        self._app.extensions.update(initial | mutable | empty)
        clock.set_start_time(None)
        self._app.wsgi_app = self._wsgi  # type: ignore[method-assign]
        vars(rate_limits.limiter).update(self._limiter)

    def _ensure_keys(self) -> None:
        """Insert the signing keys of the first run into an empty database; generating is slow."""
        now = clock.now()
        with autonomous_transaction() as connection:
            used = connection.scalar(sa.select(sa.func.count()).select_from(SigningKey))
            for table, rows in () if used else self._keys.items():
                connection.execute(sa.insert(table), [_created_at(now, row) for row in rows])
        if used or not self._keys:
            with write_transaction():
                keys.ensure_keys()
            db.session.commit()
        if not used and not self._keys:
            self._keys.update((table, _read_rows(table)) for table in (SigningKey, AuditEvent))


def _require_connections() -> None:
    """Use every connection of each pool: which one a test gets first depends on the pool.

    Raises:
        OperationalError: one is terminated.
    """
    for engine in db.engines.values():
        with ExitStack() as stack:
            for _ in range(max(1, _pool(engine).checkedin())):
                connection = stack.enter_context(engine.connect())
                connection.exec_driver_sql("SELECT 1")


def _pool(engine: sa.Engine) -> sa.QueuePool:
    return cast("sa.QueuePool", engine.pool)


def dispose_engines(engines: Mapping[str | None, sa.Engine]) -> None:
    """Close all connections of these engines."""
    for engine in engines.values():
        engine.dispose()


def _created_at(now: datetime, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row in which every time is `now`."""
    return {name: now if isinstance(value, datetime) else value for name, value in row.items()}


def _read_rows(table: Any) -> list[dict[str, Any]]:
    with db.engine.connect() as connection:
        found = connection.execute(sa.select(table.__table__))
        return [dict(row) for row in found.mappings()]
