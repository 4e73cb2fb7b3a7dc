"""Database engines, session, column types and transactions.

A session reads by default and takes no lock. Write within `write_transaction()`: BEGIN IMMEDIATE on
SQLite, so that concurrent writers queue instead of failing half-way. Never keep a transaction open
during slow work (a password hash, a network request): call `end_transaction()` first.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial, wraps
from typing import Any, TypeVar, cast

from flask import g, has_app_context
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, DateTime, Dialect, MetaData, TypeDecorator, event, text
from sqlalchemy.engine import Engine, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session

from gatehouse.core import clock, metrics
from gatehouse.core.errors import ServiceUnavailable
from gatehouse.core.log import logger
from gatehouse.database.session_parameters import build_connection_arguments

View = TypeVar("View", bound=Callable[..., object])
TAKE_ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
AUTOCOMMIT_BIND = "reader"
"""Bind key of the engine with autocommit connections."""
CONFLICTS = {"40001", "40P01"}
"""SQLSTATE of a serialization failure and of a deadlock (PostgreSQL, appendix A)."""
MAX_WRITE_DURATION = timedelta(seconds=30)
PRAGMAS = (
    "secure_delete = ON",  # what is erased is overwritten in the file, too
    "journal_mode=WAL",  # readers never wait for the writer
    "foreign_keys=ON",
    "busy_timeout=5000",
    "synchronous=FULL",  # a confirmed commit survives a power failure
)


class Base(DeclarativeBase):
    """Base class of all models; constraints are named, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


class UTCDateTime(TypeDecorator[datetime]):
    """A timezone-aware datetime, stored and returned in UTC (SQLite stores no time zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; raise ValueError for a naive datetime."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored value as a UTC datetime."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


def engine_options(url: str, threads: int, pooler: str = "none") -> dict[str, object]:
    """Return SQLAlchemy engine options; every wait ends with an error after seconds.

    The pool has a connection for each request thread (half of them permanent) and four for
    background tasks.
    """
    options: dict[str, object] = {"pool_size": threads // 2, "pool_timeout": 1}
    options["pool_use_lifo"] = True  # the connection used last has its statements prepared
    options["max_overflow"] = threads - threads // 2 + 4
    options["hide_parameters"] = True  # logged errors contain the statement, never its values
    if make_url(url).get_backend_name() == "postgresql":
        options["pool_recycle"] = 300  # seconds: a firewall may have closed older connections
        options["connect_args"] = build_connection_arguments(pooler)
    return options


def server_encoding() -> str:
    """Return the encoding of the database; SQLite's is always UTF-8."""
    if db.engine.dialect.name == "sqlite":
        return "UTF8"
    with db.engine.connect() as connection:
        return str(connection.exec_driver_sql("SHOW server_encoding").scalar_one())


def configure_sqlite() -> None:
    """Register how SQLite connections and transactions begin.

    PostgreSQL needs no listener, which would cost each connection a third of its time.
    """
    if db.engine.dialect.name == "sqlite":
        event.listen(db.engine, "connect", _set_pragmas)
        event.listen(db.engine, "begin", _begin_transaction)


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # `_begin_transaction` sends BEGIN
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_transaction(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@event.listens_for(Engine, "handle_error")
def _dispose_other_engines(context: ExceptionContext) -> None:
    """When a connection is broken, dispose of the pooled connections of all other engines, too.

    SQLAlchemy disposes of those of the same engine only; each of the others would fail a request
    later, when the database is available again.
    """
    if context.is_disconnect and has_app_context():
        for engine in db.engines.values():
            if engine is not context.engine:
                engine.dispose()


def end_transaction() -> None:
    """Return the connection to the pool and detach all rows; loaded attributes stay readable."""
    db.session.close()


@contextmanager
def write_transaction() -> Iterator[None]:
    """Begin the request's write transaction, or join the current one; `commits` ends it.

    Raises:
        ApiError: the check of `check_before_writes` failed.
    """
    if not db.session.info.get("writing"):
        end_transaction()
        db.session.connection(execution_options={"writing": True})
        db.session.info["writing"] = clock.uptime()
        for check in g.get("checks_before_writes", ()):
            check()
    yield
    db.session.flush()


def check_before_writes(check: Callable[[], object] | None) -> None:
    """Run a check at the beginning of each further write transaction of this request, or none.

    It takes the locks that must come first, and raises an `ApiError` to stop the write.
    """
    g.checks_before_writes = [check] if check else []


def add_check_before_writes(check: Callable[[], object]) -> None:
    """Run one more check, after those that take the locks.

    A rule that was judged before the locks may have been broken while the request waited for them.
    """
    g.checks_before_writes = [*g.get("checks_before_writes", ()), check]


@contextmanager
def without_checks_before_writes() -> Iterator[None]:
    """Begin write transactions without the checks of this request, until the block ends."""
    checks = g.pop("checks_before_writes", [])
    try:
        yield
    finally:
        g.checks_before_writes = checks


def commit_alone(action: Callable[[], object]) -> None:
    """Commit an action by itself, as a part of this request: it begins with the same checks."""
    checks = g.get("checks_before_writes", [])

    def run_with_checks() -> None:
        g.checks_before_writes = checks
        action()

    commits(run_with_checks)()


def commits(view: View) -> View:
    """Commit the request's transaction after a view has succeeded, and roll it back on an error.

    The wrapper runs inside Flask's error handling, so that a failed commit is handled, too. A view
    whose transaction PostgreSQL gave up, because of others in parallel, runs once more.
    """

    @wraps(view)
    def committed(*arguments: object, **named: object) -> object:
        run = partial(_run_and_commit, view, *arguments, **named)
        try:
            return run()
        except DBAPIError as error:
            if not _is_conflict(error):
                raise
            metrics.TRANSACTION_CONFLICTS.inc()
            reason = str(error.orig).partition("\n")[0]
            logger().warning("A request runs again after a conflict.", reason=reason)
        check_before_writes(None)
        return run()

    return cast(View, committed)


def _run_and_commit(view: Callable[..., object], *arguments: object, **named: object) -> object:
    try:
        response = view(*arguments, **named)
        if db.session.registry.has() and db.session().in_transaction():
            db.session.commit()
    except BaseException:
        db.session.rollback()
        raise
    return response


def _is_conflict(error: DBAPIError) -> bool:
    """Return whether PostgreSQL rolled a transaction back that may succeed when it is repeated."""
    return getattr(error.orig, "sqlstate", None) in CONFLICTS


@event.listens_for(Session, "before_commit")
def _limit_duration(session: Session) -> None:
    """Refuse to commit after 30 s; PostgreSQL has a limit of its own from version 17 only.

    Workers read new rows by the time of their INSERT, back to a minute ago (see `tokens.feed`).
    """
    begun_at = session.info.get("writing")
    if begun_at and clock.uptime() - begun_at > MAX_WRITE_DURATION:
        raise ServiceUnavailable


@event.listens_for(Session, "after_transaction_end")
def _clear_writing_flag(session: Session, transaction: Any) -> None:
    if transaction.parent is None:
        session.info.pop("writing", None)


def autocommit_connection() -> Connection:
    """Return a connection for a single statement outside the request's transaction.

    On PostgreSQL it is in autocommit mode: BEGIN and ROLLBACK would be two more round trips, each
    as long as the query. On SQLite there are no round trips to save.
    """
    return db.engines.get(AUTOCOMMIT_BIND, db.engine).connect()


@contextmanager
def autocommit_write_connection() -> Iterator[Connection]:
    """Yield a connection for a single write statement, committed immediately."""
    connection = autocommit_connection().execution_options(writing=True)
    with connection, nullcontext() if AUTOCOMMIT_BIND in db.engines else connection.begin():
        yield connection


@contextmanager
def autocommit_write() -> Iterator[Connection]:
    """Like `autocommit_write_connection`, but end the session's transaction first."""
    end_transaction()
    with autocommit_write_connection() as connection:
        yield connection


@contextmanager
def autonomous_transaction() -> Iterator[Connection]:
    """Yield a connection in its own transaction, for counts that must survive a rollback."""
    end_transaction()
    with db.engine.connect().execution_options(writing=True) as connection, connection.begin():
        yield connection


def advisory_lock(key: str) -> None:
    """Take a transaction-level advisory lock for this key.

    On SQLite the write transaction already excludes all others.
    """
    if db.engine.dialect.name == "postgresql":
        db.session.flush()  # pending changes would be lost where a row is refreshed after the wait
        db.session.execute(TAKE_ADVISORY_LOCK, {"key": key})
