"""Applications that tests share: made once for their settings, lent to one test after the other.

Making one compiles a hundred routes, and its first statements are compiled, too: most of what a
short test costs. What a test can change of an application is put back before the next one gets it.
A test that changes more, such as its routes, is marked `alters_the_application`.

Applications with one database share their connections, and those with the same settings for keys
begin with the same signing keys: two installations are not as foreign as they would be.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from flask import Flask

from app import create_app
from config import Settings
from gatehouse.core import clock
from gatehouse.database.session import apart, db, writing
from gatehouse.tokens import keys
from gatehouse.tokens.worker_state import TokenState
from gatehouse.web import rate_limits
from models import AuditEvent, SigningKey

Engines = dict[str | None, sa.Engine]
Rows = dict[Any, list[dict[str, Any]]]

SHARED = 32
"""Applications that are kept; of the others, the one that was lent longest ago is given up."""
AWAKE = 8
"""Databases to which connections are kept."""
_OPTIONS = ("DATABASE_URI", "ENGINE_OPTIONS", "BINDS")


class Applications:
    """Every application of a worker process that another test may ask for again."""

    def __init__(self) -> None:
        self._known: OrderedDict[frozenset[Any], _Application] = OrderedDict()
        self._engines: OrderedDict[str, Engines] = OrderedDict()
        self._keys: dict[Any, Rows] = {}

    @contextmanager
    def lend(self, environ: Mapping[str, str]) -> Iterator[Flask]:
        """Lend an application with these settings that nobody seems to have used."""
        wanted = frozenset(environ.items())
        found = self._known.pop(wanted, None) or _Application(environ, self._keys)
        self._known[wanted] = found
        if len(self._known) > SHARED:
            self._known.popitem(last=False)
        engines = self._share_connections(found)
        with found.lend() as app:
            yield app
        if any(_pooled(engine).checkedout() for engine in engines.values()):
            _dispose(engines)  # what a test left at work reaches no other

    def _share_connections(self, application: _Application) -> Engines:
        """Let an application use the connections of the others with its database."""
        engines = self._engines.pop(application.pool, None) or application.engines.copy()
        self._engines[application.pool] = engines
        application.engines.update(engines)
        if len(self._engines) > AWAKE:
            _dispose(self._engines.popitem(last=False)[1])
        return engines

    def close(self) -> None:
        """Close the connections of all of them; they open others when they are lent again."""
        for engines in self._engines.values():
            _dispose(engines)


class _Application:
    """An application, and what it was like when it was made."""

    def __init__(self, environ: Mapping[str, str], known_keys: dict[Any, Rows]) -> None:
        settings = Settings.from_environment(environ)
        sealed_by = settings.signing_algorithm, *settings.encryption_keys.keys.items()
        self._keys = known_keys.setdefault(sealed_by, {})
        self._app = create_app(settings)
        self._wsgi = self._app.wsgi_app
        self._extensions = dict(self._app.extensions)
        self._limiter = dict(vars(rate_limits.limiter))  # one for the process: the newest one's
        self.pool = str([self._app.config[f"SQLALCHEMY_{name}"] for name in _OPTIONS])
        with self._app.app_context():
            self.engines = cast("Engines", db.engines)

    @contextmanager
    def lend(self) -> Iterator[Flask]:
        """Lend it as it was, with the keys that a starting server makes."""
        self._put_back()
        with self._app.app_context():
            self._fetch_keys()
        yield self._app

    def _put_back(self) -> None:
        kept = self._extensions
        mutable = {name: copy(kept[name]) for name in ("gatehouse.settings", "gatehouse.risk")}
        self._app.extensions.clear()
        self._app.extensions.update(kept | mutable | {"gatehouse.tokens": TokenState()})
        self._app.wsgi_app = self._wsgi  # type: ignore[method-assign]
        vars(rate_limits.limiter).update(self._limiter)

    def _fetch_keys(self) -> None:
        """Give an empty database the signing keys of the first time: making them takes long."""
        now = clock.now()
        with apart() as connection:
            used = connection.scalar(sa.select(sa.func.count()).select_from(SigningKey))
            for table, rows in () if used else self._keys.items():
                connection.execute(sa.insert(table), [_made(now, row) for row in rows])
        if used or not self._keys:
            with writing():
                keys.ensure()
            db.session.commit()
        if not used and not self._keys:
            self._keys.update((kind, _rows_of(kind)) for kind in (SigningKey, AuditEvent))


@contextmanager
def disposing(app: Flask) -> Iterator[Flask]:
    """Close the connections of an application afterwards."""
    yield app
    with app.app_context():
        _dispose(db.engines)


def _pooled(engine: sa.Engine) -> sa.QueuePool:
    """Return the connections of an engine."""
    return cast("sa.QueuePool", engine.pool)


def _dispose(engines: Mapping[str | None, sa.Engine]) -> None:
    for engine in engines.values():
        engine.dispose()


def _made(now: datetime, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose times are now, wherever there is one."""
    return {name: now if isinstance(value, datetime) else value for name, value in row.items()}


def _rows_of(table: Any) -> list[dict[str, Any]]:
    with db.engine.connect() as connection:
        found = connection.execute(sa.select(table.__table__))
        return [dict(row) for row in found.mappings()]
